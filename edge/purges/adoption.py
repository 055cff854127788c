"""What Redis knows of purges and a database that was restored from a backup does not.

Such a database has lost the purges that came after the backup. Were their stamps written over with older
ones, edges would find what they had been told to forget; so what Redis still has is taken over first.
"""

import json
import logging
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.models import Domain
from edge import keyspace
from edge.models import Kind, PurgeRecord
from edge.purges.table import PREFIX, TAG, URL, WHOLE, Stamps, Table, bounded
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: Documents read in one go.
CHUNK = 20


def purges_adopt() -> int:
    """Take over what Redis knows of purges; how many records were new. Raises `RedisUnreachable`."""
    adopted = 0
    for found in _documents():
        domains = Domain.objects.filter(host__in=found).prefetch_related("purge_records")
        for domain in domains:
            adopted += _adopt(domain, found[domain.host])
    if adopted:
        logger.warning("took over %s records of purges that the database did not know", adopted)
    return adopted


def read_table(document: Any) -> Table:
    """The table of a purge document. Raises `ValueError`, `TypeError` or `KeyError` where it is none.

    No stamp may be larger than the document's revision: later purges would be taken for older ones.
    """
    table = {WHOLE: Stamps(*map(int, document["all"]))}
    for scope, rows in ((URL, "urls"), (PREFIX, "prefixes"), (TAG, "tags")):
        for name, hard, soft in document[rows]:
            table[scope, str(name)] = Stamps(int(hard), int(soft))
    if max(max(stamps) for stamps in table.values()) > int(document["rev"]):
        raise ValueError("a stamp is newer than its document")
    return {key: stamps for key, stamps in table.items() if any(stamps)}


def _adopt(domain: Any, text: str) -> int:
    try:
        theirs = read_table(json.loads(text))
    except (ValueError, TypeError, KeyError):
        logger.exception("cannot read the purges of %s in Redis", domain.host)
        return 0
    ours: Table = {(r.scope, r.name): Stamps(r.hard, r.soft) for r in domain.purge_records.all()}
    together = dict(ours)
    for key, stamps in theirs.items():
        together[key] = together.get(key, Stamps()).joined(stamps)
    table = bounded(together)
    new = {key: stamps for key, stamps in table.items() if ours.get(key) != stamps}
    now = timezone.now()
    with transaction.atomic():
        PurgeRecord.objects.bulk_create(
            [
                PurgeRecord(domain=domain, scope=scope, name=name, **stamps._asdict(), purged_at=now)
                for (scope, name), stamps in new.items()
            ],
            batch_size=500,
            update_conflicts=True,
            unique_fields=["domain", "scope", "name"],
            update_fields=["hard", "soft", "purged_at"],
        )
        for scope, name in ours.keys() - table.keys():
            PurgeRecord.objects.filter(domain=domain, scope=scope, name=name).delete()
    return len(new)


def _documents() -> Iterator[dict[str, str]]:
    """Host → text of the purge documents in Redis, some at a time."""
    with reaching_redis() as client:
        hosts: Any = client.zrange(keyspace.index_key(Kind.PURGE), 0, -1)
    for start in range(0, len(hosts), CHUNK):
        some = hosts[start : start + CHUNK]
        with reaching_redis() as client:
            texts: Any = client.mget([keyspace.document_key(Kind.PURGE, host) for host in some])
        yield {host: text for host, text in zip(some, texts, strict=True) if text}
