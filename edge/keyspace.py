"""The names of the Redis keyspace: the only module of the control plane that knows them.

The contract is docs/keyspace.md; `edge/lua/cirrus/keyspace.lua` is its twin on the edges, and a test
reads both and compares them.
"""

from typing import Any

SCHEMA = 1

META = "cdn:meta"
CHANGES = "cdn:changes"
NOTIFY = "cdn:notify"
PUBLISH_LOCK = "cdn:lock:publish"
REPAIR_LOCK = "cdn:lock:repair"
HEALTH_LOCK = "cdn:lock:health"
#: Which beat leads, of several that run.
BEAT_LOCK = "cdn:lock:beat"
#: Since when a vantage point has been asked to probe and has not reported: vantage point → Unix time.
HEALTH_ASKED = "cdn:health-asked"
#: The one right to build zones, and the note that a worker has been asked to.
ZONES_LOCK = "cdn:lock:zones"
ZONES_POKE = "cdn:lock:zones:asked"
#: The note that a worker has been asked to look at the secondaries.
ZONES_WATCH = "cdn:lock:zones:watch"

#: apex → serial of every zone; the stream that the hidden primary waits at; the time at which somebody
#: last said that the index is complete; and who is given the zones.
ZONES = "cdn:zones"
ZONES_CHANGES = "cdn:zones:changes"
ZONES_CONFIRMED = "cdn:zones:confirmed"
SECONDARIES = "cdn:secondaries"
#: For which edges and revisions the newest build of the zones waits, JSON.
ZONES_AWAITED = "cdn:lock:zones:awaited"

#: kind → prefix of its documents' keys
DOCUMENTS = {
    "domain": "cdn:dom:",
    "node": "cdn:node:",
    "purge": "cdn:purge:",
    "certificate": "cdn:cert:",
    "challenge": "cdn:acme:http01:",
    "tickets": "cdn:tickets:",
}


def document_key(kind: str, key: str) -> str:
    """`domain`, `www.example.com` → `cdn:dom:www.example.com`."""
    return DOCUMENTS[kind] + key


def index_key(kind: str) -> str:
    """The sorted set of what exists: member = key inside the kind, score = revision."""
    return f"cdn:index:{kind}"


def gone_key(kind: str) -> str:
    """The sorted set of tombstones: member = key inside the kind, score = revision of the withdrawal."""
    return f"cdn:gone:{kind}"


def zone_key(apex: str) -> str:
    """The hash of what a zone is beside its names: serial, soa, names, at, journal."""
    return f"cdn:zone:{apex}"


def zone_names_key(apex: str) -> str:
    """The hash of a zone's names and their record sets."""
    return f"cdn:zone:{apex}:names"


def zone_versions_key(apex: str) -> str:
    """The stream of a zone's last versions, as differences."""
    return f"cdn:zone:{apex}:versions"


def zone_draft_key(apex: str) -> str:
    """The hash of changes that are too many for one command, until it is given."""
    return f"cdn:zone:{apex}:draft"


def zone_seen_key(apex: str) -> str:
    """The hash in which the primary says what it saw of each secondary; as a pattern with `*`."""
    return f"cdn:zone:{apex}:seen"


def ack_key(node: str) -> str:
    """The hash in which an edge says what it has applied."""
    return f"cdn:ack:{node}"


def acks_key(node: str) -> str:
    """The short stream of an edge's acknowledgements; its ids are times of Redis's clock."""
    return f"cdn:acks:{node}"


def stats_pattern(node: str) -> str:
    """The keys of an edge's traffic counters, as an ACL pattern."""
    return f"cdn:stats:{node}:*"


def stats_key(node: str, minute: int) -> str:
    """The hash of an edge's traffic in one minute (Unix time in minutes)."""
    return f"cdn:stats:{node}:{minute}"


def health_key(node: str) -> str:
    """The hash of what the vantage points have found out about a node: vantage point → JSON."""
    return f"cdn:health:{node}"


def probe_lock(vantage: str) -> str:
    """The one right to probe from this vantage point."""
    return f"cdn:lock:probe:{vantage}"


#: Fields of the JSON in `cdn:health:{node}`.
HEALTH_FIELDS = ("at", "ok", "verdict", "fails", "streak", "trial", "why", "status", "ms", "view")

#: Fields of `cdn:meta`.
META_EPOCH, META_REV, META_LAST = "epoch", "rev", "last"

#: Fields of an entry of `cdn:changes`. `prev` is the id of the entry before: a reader that does not
#: find there the last id it has read has missed something and compares the index.
ENTRY_FIELDS = ("kind", "key", "rev", "epoch", "op", "prev")
OP_PUT, OP_GONE = "put", "gone"

#: Fields of `cdn:ack:{node}`.
ACK_FIELDS = (
    "epoch",
    "rev",
    "stream",
    "at",
    "state",
    "config_errors",
    "refusals",
    "refusals_cut",
    "orphans",
    "orphan_names",
    "version",
    "skew",
    "domains",
    "keys",
)


def envelope(*, epoch: int, rev: int, body: dict[str, Any]) -> dict[str, Any]:
    """A whole document: `schema`, `epoch` and `rev` around what the app rendered."""
    return {"schema": SCHEMA, "epoch": epoch, "rev": rev, **body}
