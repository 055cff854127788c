"""Every sealed secret in the database, and sealing them again with the key of now.

Whatever is sealed stands in SEALED (a test looks for what has been forgotten). Rows that are sealed with the
newest key already are passed over, so that this can be stopped and started again at any time.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction

from accounts.errors import NotOpened, SealingKeyMissing
from accounts.sealing import Ring, newest_key, open_sealed, seal
from api.models import Operation
from certificates.errors import KeyNotOnEdges
from certificates.models import Authority, AuthorityAccount, Certificate, Order, TicketKey
from dnszones.models import Secondary
from dnszones.store import tsig_record
from edge.acks import read_acks
from nodes.models import Node

logger = logging.getLogger(__name__)

#: Rows in one transaction; their documents are published when it commits.
CHUNK = 100


@dataclass(frozen=True)
class Sealed:
    """One column of sealed texts; `record`: what a row's is sealed for (accounts/sealing.py)."""

    model: type[models.Model]
    column: str
    record: Callable[[Any], str]
    ring: Ring = "control"

    @property
    def label(self) -> str:
        return str(self.model._meta.verbose_name_plural)


SEALED = [
    Sealed(Secondary, "tsig_secret", lambda row: tsig_record(row.tsig_name)),
    Sealed(Authority, "eab_key", lambda row: f"eab:{row.name}"),
    Sealed(
        AuthorityAccount,
        "key",
        lambda row: f"account:{row.authority.name}:{'staging' if row.staging else 'production'}",
    ),
    Sealed(Order, "key", lambda row: f"order:{row.pk}"),
    Sealed(Operation, "sealed", lambda row: f"operation:{row.pk}"),
    # In the edges' ring: they are published again as they are sealed again.
    Sealed(TicketKey, "key", lambda row: f"tickets:{row.label}", "edges"),
    Sealed(Certificate, "key", lambda row: f"certificate:{row.fingerprint}", "edges"),
]

#: Told what is sealed again, how many are done, and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass
class Resealed:
    """What it came to; `failed`: sentences on secrets that cannot be opened, which stay as they are."""

    done: int = 0
    failed: list[str] = field(default_factory=list)


def secrets_waiting(sealed: Sealed) -> "models.QuerySet[Any]":
    """The rows that are sealed with another key than the newest."""
    rows = sealed.model._default_manager.exclude(**{sealed.column: ""})
    return rows.exclude(**{f"{sealed.column}__startswith": f"{newest_key()}:"})


def secrets_reseal(*, force: bool = False, progress: Progress = lambda *_: None) -> Resealed:
    """Seal with the newest key whatever is sealed with another. Never inside a transaction.

    Raises `KeyNotOnEdges` unless `force`, and `SealingKeyMissing` where there is no key at all.
    """
    if not newest_key():
        raise SealingKeyMissing
    if not force and any(secrets_waiting(sealed).exists() for sealed in SEALED if sealed.ring == "edges"):
        require_key_on_edges(newest_key())
    result = Resealed()
    for sealed in SEALED:
        _reseal(sealed, result, progress)
    logger.info("secrets_resealed done=%d failed=%d key=%s", result.done, len(result.failed), newest_key())
    return result


def require_key_on_edges(key_id: str) -> None:
    """Raises `KeyNotOnEdges` where an edge in service does not say that it has the key."""
    nodes = list(Node.objects.serving().order_by("name").values_list("name", flat=True))
    acks = read_acks(nodes)
    if acks.failure:
        raise KeyNotOnEdges(key_id, nodes, acks.failure)
    if lacking := [name for name in nodes if not acks.of(name).heard or key_id not in acks.of(name).keys]:
        raise KeyNotOnEdges(key_id, lacking)


def _reseal(sealed: Sealed, result: Resealed, progress: Progress) -> None:
    total, done = secrets_waiting(sealed).count(), 0
    for ids in _chunks(secrets_waiting(sealed)):
        with transaction.atomic():
            # Locked, and read once more: an order may have ended meanwhile, and given up its key.
            for row in secrets_waiting(sealed).filter(pk__in=ids).select_for_update():
                try:
                    _reseal_row(sealed, row)
                    result.done += 1
                except (NotOpened, SealingKeyMissing) as error:
                    result.failed.append(f"{sealed.model._meta.verbose_name} {row}: {error}")
        done += len(ids)
        progress(sealed.label, done, max(total, done))


def _reseal_row(sealed: Sealed, row: Any) -> None:
    record = sealed.record(row)
    secret = open_sealed(getattr(row, sealed.column), record=record, ring=sealed.ring)
    setattr(row, sealed.column, seal(secret, record=record, ring=sealed.ring))
    row.save(update_fields=[sealed.column])


def _chunks(rows: "models.QuerySet[Any]") -> Iterator[list[Any]]:
    rows = rows.order_by("pk")
    after = rows
    while ids := list(after.values_list("pk", flat=True)[:CHUNK]):
        yield ids
        after = rows.filter(pk__gt=ids[-1])
