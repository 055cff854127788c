"""From what has been purged of a domain to its document (`cdn:purge:{host}`), and back when it is published.

What has been published stands in `PurgeRecord`; a queued purge gets its stamp, the revision of the
document that first carries it, only in the turn that publishes it, and that is noted only once it is
in Redis. So a turn that failed leaves nothing behind, and the next one gives a newer stamp.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from domains.models import Domain
from edge.models import Purge, PurgeRecord, PurgeTarget
from edge.purges.table import MOST_RECORDS, Key, Stamps, Table, body, overflowing, stamped

#: Targets of one domain that are stamped in one turn; what is over has its turn next.
TURN = 20_000
#: Rows in one statement.
BATCH = 500


@dataclass(frozen=True)
class News:
    """The queued purges of a domain, up to the number `last`; `more` are left for another turn."""

    domain_id: int
    host: str
    table: Table
    targets: list[tuple[str, str, bool]]
    last: int
    more: bool

    def body(self, rev: int) -> dict[str, Any]:
        """The document's body with these purges stamped with `rev`."""
        return {"host": self.host, **body(stamped(self.table, self.targets, rev))}

    def note(self, *, epoch: int, rev: int, stream_id: str, at: datetime) -> None:
        """Record that they are published; in one transaction with the publication itself."""
        table = stamped(self.table, self.targets, rev)
        records = PurgeRecord.objects.filter(domain_id=self.domain_id)
        gone = self.table.keys() - table.keys()
        if gone:
            rows = records.values_list("pk", "scope", "name")
            pks = [pk for pk, scope, name in rows if (scope, name) in gone]
            for start in range(0, len(pks), BATCH):
                records.filter(pk__in=pks[start : start + BATCH]).delete()
        PurgeRecord.objects.bulk_create(
            [
                PurgeRecord(
                    domain_id=self.domain_id, scope=key[0], name=key[1], **stamps._asdict(), purged_at=at
                )
                for key, stamps in table.items()
                if self.table.get(key) != stamps
            ],
            batch_size=BATCH,
            update_conflicts=True,
            unique_fields=["domain", "scope", "name"],
            update_fields=["hard", "soft", "purged_at"],
        )
        Purge.objects.filter(domain_id=self.domain_id, state=Purge.State.QUEUED, pk__lte=self.last).update(
            epoch=epoch, rev=rev, stream_id=stream_id, published_at=at, state=Purge.State.SENT
        )
        gone, is_whole = overflowing(self.table, self.targets, rev)
        if gone:
            self._note_widening(epoch, rev, gone, "the whole domain" if is_whole else "directories")

    def _note_widening(self, epoch: int, rev: int, gone: set[Key], into: str) -> None:
        """Say of the purges with these targets that they purge more than was asked for."""
        mine = Purge.objects.filter(domain_id=self.domain_id, epoch=epoch, rev=rev)
        rows = PurgeTarget.objects.filter(purge__in=mine).values_list("purge_id", "scope", "name")
        pks = {pk for pk, scope, name in rows if (scope, name) in gone}
        why = f"with it more than {MOST_RECORDS:,} names are purged of this domain: widened to {into}"
        for purge in mine.filter(pk__in=pks):
            purge.widened = "; ".join(filter(None, [purge.widened, why]))
            purge.save(update_fields=["widened"])


def purged_domains() -> QuerySet[Domain]:
    """The domains of which something is purged, or about to be."""
    records = PurgeRecord.objects.filter(domain=OuterRef("pk"))
    queued = Purge.objects.filter(domain=OuterRef("pk"), state=Purge.State.QUEUED)
    domains: QuerySet[Domain] = Domain.objects.annotate(has_news=Exists(queued)).filter(
        Exists(records) | Exists(queued)
    )
    return domains.prefetch_related("purge_records")


def purge_document(domain: Any) -> dict[str, Any]:
    """The body of a domain's purge document (docs/keyspace.md, kind `purge`), as it is published."""
    return {"host": domain.host, **body(_table(domain))}


def reason_not_purged(domain: Any) -> str:
    """Why a domain has no purge document, or "" where it has one."""
    return "" if domain.purge_records.all() else "nothing of it has been purged lately"


def purge_news(domain: Any) -> News | None:
    """The purges of a domain that have not been published yet, those of one turn; None: there are none."""
    if not domain.has_news:
        return None
    queued = Purge.objects.filter(domain_id=domain.pk, state=Purge.State.QUEUED).order_by("pk")
    last, count, more = 0, 0, False
    for pk, number in queued.values_list("pk", "targets").iterator():
        count += number
        if last and count > TURN:
            more = True
            break
        last = pk
    rows = PurgeTarget.objects.filter(
        purge__domain_id=domain.pk, purge__state=Purge.State.QUEUED, purge_id__lte=last
    )
    targets = list(rows.values_list("scope", "name", "purge__soft"))
    return News(domain.pk, domain.host, _table(domain), targets, last, more) if last else None


def _table(domain: Any) -> Table:
    return {
        (record.scope, record.name): Stamps(record.hard, record.soft) for record in domain.purge_records.all()
    }
