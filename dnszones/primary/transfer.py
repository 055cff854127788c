"""A transfer as the signed messages that are sent one after another (RFC 5936, RFC 1995)."""

from collections.abc import Iterator
from dataclasses import dataclass

from dnszones.primary import wire
from dnszones.primary.answering import Transfer, with_edns
from dnszones.primary.difference import Difference


@dataclass(frozen=True)
class Plan:
    """What is sent. `label`: axfr, ixfr, or ixfr_whole where the whole zone had to be sent instead."""

    transfer: Transfer
    label: str
    found: Difference | None

    def messages(self) -> Iterator[bytes]:
        """Each message, signed, with the two bytes of its length in front."""
        zone, query, signer = self.transfer.zone, self.transfer.query, self.transfer.signer
        asked = wire.question(zone.apex, query.question[0].rdtype)
        records = self.found.answer() if self.found else zone.axfr()
        for message in wire.messages(query.id, asked, records):
            signed = signer.sign(with_edns(query, message))
            yield len(signed).to_bytes(2, "big") + signed


def plan(transfer: Transfer) -> Plan:
    """Find what is to be sent; may take a moment where a difference of many versions is put together."""
    incremental = transfer.query.question[0].rdtype == wire.IXFR
    found = transfer.zone.ixfr(transfer.since) if transfer.since else None
    label = "ixfr" if found else "ixfr_whole" if incremental else "axfr"
    return Plan(transfer, label, found)
