"""Master files (RFC 1035 section 5): records out of one, and a zone as one. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.transaction
import dns.zone
import dns.zonefile
from django.core.exceptions import ValidationError

from dnszones.models import Record
from dnszones.names import owner_in
from dnszones.zonedata import APEX

#: Directives that are followed: $INCLUDE would read our files, $GENERATE could make millions of records.
DIRECTIVES = ("$ORIGIN", "$TTL")


@dataclass
class MasterFile:
    """What a file says. `records`: values of `Record`; `left_out`: sentences on what is not taken over."""

    records: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def master_file_read(text: str, *, apex: str, default_ttl: int) -> MasterFile:
    """The records in a master file. SOA and the zone's own NS are Cirrus's and left out, and so is what
    Cirrus does not carry. Records with the file's default TTL get the zone's own.

    Raises `ValidationError` with the line that cannot be read.
    """
    zone = dns.zone.Zone(dns.name.from_text(apex), relativize=False)
    try:
        with zone.writer(True) as writer:
            tokens = dns.tokenizer.Tokenizer(text, "line")
            reader = dns.zonefile.Reader(
                tokens,
                dns.rdataclass.IN,
                writer,
                allow_directives=DIRECTIVES,
                default_ttl=default_ttl,
            )
            reader.read()
    except (dns.exception.DNSException, ValueError, KeyError) as error:
        raise ValidationError(f"The file cannot be read: {str(error).rstrip('.')}.") from error
    found = MasterFile()
    for name, rdataset in zone.iterate_rdatasets():
        _take(found, str(name).rstrip("."), rdataset, apex=apex, default_ttl=default_ttl)
    return found


def _take(found: MasterFile, name: str, rdataset: Any, *, apex: str, default_ttl: int) -> None:
    owner, rtype = owner_in(name.lower(), apex), dns.rdatatype.to_text(rdataset.rdtype)
    if owner == APEX and rtype in ("SOA", "NS"):
        found.left_out.append(f"{name} {rtype}: Cirrus makes it.")
    elif owner is None:
        found.left_out.append(f"{name} {rtype}: it lies outside the zone.")
    elif rtype not in Record.Type.values:
        found.left_out.append(f"{name} {rtype}: Cirrus does not carry this type.")
    else:
        ttl = None if rdataset.ttl == default_ttl else rdataset.ttl
        found.records += [
            {"name": owner, "type": rtype, "ttl": ttl, "value": rdata.to_text(relativize=False)}
            for rdata in rdataset
        ]


def master_file_written(*, apex: str, default_ttl: int, records: Iterable[Record]) -> str:
    """The records as a master file, which can be read back."""
    lines = [f"$ORIGIN {apex}.", f"$TTL {default_ttl}"]
    for record in records:
        ttl = "" if record.ttl is None else f"{record.ttl}\t"
        lines.append(f"{record.name}\t{ttl}IN\t{record.type}\t{record.value}")
    return "\n".join(lines) + "\n"
