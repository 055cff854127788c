"""Zones in Redis: what the builder writes and the hidden primary serves. No SQL here.

A zone is one hash of names and one of facts about it (serial, SOA), and a journal of its last versions
for IXFR; a script writes all of it at once. Nothing here translates errors of Redis: callers of the
control plane use `edge.store.reaching_redis`. Clients may decode responses or not.

The keys are told in docs/keyspace.md and named in edge/keyspace.py.
"""

import json
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import redis
from django.conf import settings

from dnszones.zonedata import Change, Soa, Texts
from edge import keyspace

#: Bytes of a zone's journal; a version that is larger is not kept in it, and secondaries get the whole zone.
JOURNAL_BYTES = 32_000_000
#: Entries kept in cdn:zones:changes.
CHANGES_LENGTH = 1_000
#: Names that one command carries: the rest goes before it, into a key of its own.
CHUNK = 5_000
#: Seconds until names that were sent before a version that never came are forgotten.
DRAFT_TIME = 600


@dataclass(frozen=True)
class StoredZone:
    """A zone as it is stored. `soa`: the text of `zonedata.Soa`; `at`: Unix time of its last version."""

    serial: int
    soa: str
    names: Texts
    at: float


@dataclass(frozen=True)
class Seen:
    """What the primary saw of a secondary: the serial that it has, and why it is not the newest."""

    serial: int | None
    at: float
    error: str = ""


@dataclass(frozen=True)
class SecondaryEntry:
    """A secondary as the primary needs it. `tsig_secret` is sealed for the record `tsig_record(tsig_name)`:
    the secret in base64. `zones`: apexes, None for all."""

    name: str
    address: str
    port: int
    tsig_name: str
    tsig_algorithm: str
    tsig_secret: str
    zones: tuple[str, ...] | None = None

    def text(self) -> str:
        """How it is stored."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str | bytes) -> "SecondaryEntry":
        """The twin of `text`. Raises `ValueError` where it is none."""
        try:
            fields = json.loads(text)
            zones = fields.pop("zones", None)
            return cls(**fields, zones=None if zones is None else tuple(zones))
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not a secondary: {error}") from error


def tsig_record(tsig_name: str) -> str:
    """The record that the secret of this key is sealed for (accounts.sealing)."""
    return f"tsig:{tsig_name.rstrip('.').lower()}"


def read_zone(client: "redis.Redis", apex: str) -> StoredZone | None:
    """The whole zone at one moment; None where there is none."""
    pipe = client.pipeline(transaction=True)
    pipe.hmget(keyspace.zone_key(apex), ["serial", "soa", "at"])
    pipe.hgetall(keyspace.zone_names_key(apex))
    facts, names = pipe.execute()
    return stored_zone(facts, names)


def stored_zone(facts: list[Any], names: Mapping[Any, Any]) -> StoredZone | None:
    """From what Redis answers to HMGET serial, soa, at and to HGETALL of the names."""
    serial, soa, at = (_text(value) for value in facts)
    if serial is None or soa is None:
        return None
    texts = {str(_text(name)): str(_text(text)) for name, text in names.items()}
    return StoredZone(int(serial), soa, texts, float(at or 0))


def write_version(
    client: "redis.Redis",
    apex: str,
    *,
    expected_serial: int | None,
    serial: int,
    soa: Soa,
    changes: Mapping[str, Change],
    full: bool = False,
) -> bool:
    """Store a version, atomically, and tell the primary.

    False, with nothing written, where the serial in Redis is not `expected_serial` (None: no zone at
    all). `full`: the changes are all names of the zone, whatever was there; secondaries then get the
    whole zone instead of a difference.
    """
    draft = keyspace.zone_draft_key(apex)
    items = [(name, new or "") for name, (_, new) in changes.items()]
    early = items[CHUNK:]
    pipe = client.pipeline(transaction=False)
    pipe.delete(draft)  # of a worker that was killed before its version came
    pipe.execute()
    for chunk in _chunks(early):
        pipe.hset(draft, mapping=dict(chunk))
        pipe.expire(draft, DRAFT_TIME)
        pipe.execute()
    keys = [
        *(keyspace.zone_key(apex), keyspace.zone_names_key(apex), keyspace.zone_versions_key(apex)),
        *(keyspace.ZONES, keyspace.ZONES_CHANGES, draft),
    ]
    arguments: list[Any] = [
        *(apex, "" if expected_serial is None else expected_serial, serial, soa.text(), int(full)),
        *(b"" if full else pack_changes(changes), settings.CIRRUS.zone_journal, JOURNAL_BYTES),
        *(CHANGES_LENGTH, len(early)),
        *(part for item in items[:CHUNK] for part in item),
    ]
    return bool(client.eval(_script(), len(keys), *keys, *arguments))


def pack_changes(changes: Mapping[str, Change]) -> bytes:
    """The changes as the journal keeps them: zlib of JSON {name: [old record sets, new ones]}."""
    parts = (f"{json.dumps(name)}:[{old or 'null'},{new or 'null'}]" for name, (old, new) in changes.items())
    return zlib.compress(f"{{{','.join(parts)}}}".encode(), 1)


def remove_zone(client: "redis.Redis", apex: str) -> bool:
    """Withdraw a zone: the primary refuses it from now on. False where there was none."""
    pipe = client.pipeline(transaction=True)
    pipe.hdel(keyspace.ZONES, apex)
    pipe.delete(
        keyspace.zone_key(apex),
        keyspace.zone_names_key(apex),
        keyspace.zone_versions_key(apex),
        keyspace.zone_draft_key(apex),
        keyspace.zone_seen_key(apex),
    )
    pipe.xadd(
        keyspace.ZONES_CHANGES,
        {"zone": apex, "serial": 0, "op": "gone"},
        maxlen=CHANGES_LENGTH,
        approximate=True,
    )
    removed, *_ = pipe.execute()
    return bool(removed)


def confirm_index(client: "redis.Redis", apexes: Iterable[str]) -> bool:
    """Say that what stands in Redis is all there is; True where it is so.

    To be called now and then with every zone that is to be served. A primary that has missed the
    withdrawal of a zone (or the loss of Redis) forgets one only by this word, never because a key is
    missing. False, with nothing said, where one of these zones is not in Redis (yet).
    """
    present = {_text(name) for name in client.hkeys(keyspace.ZONES)}
    if not present.issuperset(apexes):
        return False
    seconds, micros = client.time()
    new = client.set(keyspace.ZONES_CONFIRMED, f"{seconds}.{micros:06d}", get=True) is None
    if new:  # Redis was empty before: the primary may have zones that were withdrawn meanwhile
        _announce(client, "confirmed")
    return True


def write_secondaries(client: "redis.Redis", entries: Iterable[SecondaryEntry]) -> bool:
    """Replace the list of secondaries and tell the primary; False where nothing has changed."""
    texts = {entry.name: entry.text() for entry in entries}
    present = {_text(name): _text(text) for name, text in client.hgetall(keyspace.SECONDARIES).items()}
    if present == texts:
        return False
    pipe = client.pipeline(transaction=True)
    pipe.delete(keyspace.SECONDARIES)
    if texts:
        pipe.hset(keyspace.SECONDARIES, mapping=dict(texts))  # type: ignore[arg-type]
    _announce(pipe, "secondaries")
    pipe.execute()
    return True


def read_seen(client: "redis.Redis", apex: str) -> dict[str, Seen]:
    """What the primary saw of each secondary, by name."""
    stored = client.hgetall(keyspace.zone_seen_key(apex))
    return {str(_text(name)): Seen(**json.loads(text)) for name, text in stored.items()}


def seen_text(seen: Seen) -> str:
    """How the primary stores it."""
    return json.dumps(asdict(seen))


def seen_now(serial: int | None, error: str = "") -> Seen:
    """What is seen at this moment."""
    return Seen(serial, round(time.time(), 3), error)


def _announce(client: Any, op: str) -> None:
    entry = {"zone": "", "serial": 0, "op": op}
    client.xadd(keyspace.ZONES_CHANGES, entry, maxlen=CHANGES_LENGTH, approximate=True)


def _chunks(items: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


@cache
def _script() -> str:
    return Path(__file__).with_name("write_zone.lua").read_text()


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value
