"""What can go wrong between the database and the edges."""

from cirrus_site.errors import CirrusError


class NotPublished(CirrusError):
    """What was saved is not on its way yet. Nothing is lost: it stays in the outbox and follows."""

    permanent = False


class RedisUnreachable(NotPublished):
    """Redis did not answer, or not in time."""

    what = "Redis cannot be reached"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{self.what} ({reason.rstrip('.')}).")


class RedisRefuses(RedisUnreachable):
    """Redis answers, and does not do what it is asked: no rights, no memory, a replica."""

    what = "Redis refuses"


class PublishingBusy(NotPublished):
    """Another process has been publishing for so long that this one stopped waiting."""

    def __init__(self) -> None:
        super().__init__("Another process is publishing; the change follows by itself.")


class RedisForgot(NotPublished):
    """Redis was emptied, or restored from an older copy: it must get everything again first."""

    def __init__(self) -> None:
        super().__init__(
            "Redis has lost what was published to it; a repair brings it back "
            "(manage.py sync_keyspace --repair, or the scheduled job within seconds)."
        )


class RedisIsAhead(NotPublished):
    """Redis knows newer revisions than the database, which was restored from a backup."""

    def __init__(self) -> None:
        super().__init__(
            "Redis knows newer revisions than this database, so the edges would refuse ours; a repair "
            "begins a new epoch (manage.py sync_keyspace --repair, or the scheduled job within seconds)."
        )


class RepairBusy(CirrusError):
    """Two repairs at once would only do the same work twice."""

    permanent = False

    def __init__(self) -> None:
        super().__init__("Another process is comparing or repairing the keyspace now.")


class PlanRefused(CirrusError):
    """A repair would withdraw more than the set share of what is published."""

    def __init__(self, *, kind: str, withdrawn: int, published: int, share: float) -> None:
        self.kind, self.withdrawn, self.published, self.share = kind, withdrawn, published, share
        super().__init__(
            f"This would withdraw {withdrawn} of {published} {kind} documents from the edges, more than "
            f"the share of {share:.0%} that a repair may (CIRRUS_REPAIR_DELETE_SHARE). "
            "If that is right, say --force."
        )


class EdgeCannotStart(CirrusError):
    """Something on this machine keeps an edge from running."""


class EdgeNotReloaded(CirrusError):
    """A running edge has not taken new settings, and goes on with those that it had."""

    def __init__(self, node: str, why: str) -> None:
        self.node, self.why = node, why
        super().__init__(f"The edge {node} goes on with the settings that it had: {why}.")


class SocketTaken(EdgeCannotStart):
    """The folder in which a unix socket would lie is somebody else's."""

    def __init__(self, folder: object) -> None:
        super().__init__(f"{folder} belongs to somebody else; set CIRRUS_VAR_DIR to a shorter path.")


class PurgeRefused(CirrusError):
    """What is to be purged cannot be meant so: `problems` are sentences, `field` says where they belong."""

    #: Sentences that are told of one request.
    MOST = 5

    def __init__(self, field: str, problems: list[str]) -> None:
        self.field, self.problems = field, problems
        more = len(problems) - self.MOST
        rest = [f"{more} more of them cannot be used."] if more > 0 else []
        super().__init__(" ".join([*problems[: self.MOST], *rest]))


class PurgeLimited(CirrusError):
    """A domain's allowance is used up. `seconds`: when there will be room; None: never for so many."""

    def __init__(self, *, host: str, wanted: int, room: int, seconds: float | None, burst: int) -> None:
        self.host, self.wanted, self.room, self.seconds = host, wanted, room, seconds
        self.permanent = seconds is None
        if seconds is None:
            sentence = (
                f"{wanted:,} targets for {host} are more than one request may have "
                f"({burst:,}, CIRRUS_PURGE_BURST): divide them, or purge a prefix or everything."
            )
        else:
            sentence = (
                f"{host} has been purged so often that there is room for {room:,} more targets now; for "
                f"{wanted:,} there will be in {max(1, round(seconds)):,} s. Nothing of this has been purged."
            )
        super().__init__(sentence)


class NotExplained(CirrusError):
    """No edge could say what it makes of a URL; the sentence says why."""

    permanent = False


class TrafficUnknown(CirrusError):
    """What the edges have counted cannot be read now."""

    permanent = False

    def __init__(self, failure: str) -> None:
        super().__init__(f"The traffic is not known: {failure}.")
