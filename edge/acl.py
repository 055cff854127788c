"""The Redis users of Cirrus, each with the least that its work needs. Pure: data in, rules out."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from edge import keyspace

#: What any client says first.
GREETING = ["+ping", "+hello", "+auth", "+select", "+client|setname", "+time"]
READING = [
    *("+get", "+mget", "+hget", "+hmget", "+hgetall", "+zrange", "+zrangebyscore", "+zcard"),
    *("+xread", "+xrange"),
]

#: The queue (Celery) and the cache (Django) of the control plane, by their prefixes in settings.
CONTROL_KEYS = ["~cdn:*", "~celery:*", "~cirrus:*"]
#: Redis compares the pattern of a PSUBSCRIBE to the letter with these, and Celery has many.
CONTROL_CHANNELS = ["&*"]


@dataclass(frozen=True)
class RedisUser:
    """One user and what it may do, in the words of `ACL SETUSER`."""

    name: str
    rules: list[str]

    def setuser(self, password: str) -> list[str]:
        """All rules with which it is made anew; Redis gets only the password's digest."""
        digest = hashlib.sha256(password.encode()).hexdigest()
        return ["reset", "on", f"#{digest}", *self.rules]

    def line(self, password: str) -> str:
        """Its line in an ACL file."""
        return " ".join(["user", self.name, *self.setuser(password)])


def control_user() -> RedisUser:
    """The control plane: its three databases, and nothing that administers Redis."""
    commands = ["+@all", "-@admin", "-@dangerous", "+info"]
    return RedisUser("control", [*CONTROL_KEYS, *CONTROL_CHANNELS, *commands])


def edge_user(node: str) -> RedisUser:
    """An edge: reads documents and changes, writes its own acknowledgement and its own statistics."""
    reads = [
        *(keyspace.META, keyspace.CHANGES, keyspace.index_key("*"), keyspace.gone_key("*")),
        *(f"{prefix}*" for prefix in keyspace.DOCUMENTS.values()),
    ]
    own = [keyspace.ack_key(node), keyspace.acks_key(node), keyspace.stats_pattern(node)]
    keys = [*(f"%R~{key}" for key in reads), *(f"%W~{key}" for key in own)]
    return RedisUser(f"edge-{node}", [*keys, "-@all", *GREETING, *READING, "+hset", "+xadd", "+expire"])


def dns_user() -> RedisUser:
    """The hidden primary and what feeds an NSD: read zones and secondaries, write what they saw of them."""
    reads = ["cdn:zones", "cdn:zones:*", "cdn:zone:*", keyspace.SECONDARIES]
    keys = [*(f"%R~{key}" for key in reads), f"%W~{keyspace.zone_seen_key('*')}"]
    commands = ["+hkeys", "+xrevrange", "+multi", "+exec", "+hset"]
    return RedisUser("dns", [*keys, "-@all", *GREETING, *READING, *commands])


def redis_users(nodes: Iterable[str]) -> list[RedisUser]:
    """Everybody: control, dns, and an edge for each of these nodes."""
    return [control_user(), dns_user(), *(edge_user(node) for node in nodes)]
