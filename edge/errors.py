"""What can go wrong between the database and the edges."""

from cirrus_site.errors import CirrusError


class RedisUnreachable(CirrusError):
    """Redis did not answer. Nothing is lost: what was saved stays in the outbox."""

    permanent = False

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Redis cannot be reached ({reason}).")


class FlushBusy(CirrusError):
    """Another process has been publishing for so long that this one stopped waiting."""

    permanent = False

    def __init__(self) -> None:
        super().__init__("Another process is publishing; the change follows by itself.")


class PlanRefused(CirrusError):
    """A repair would withdraw more than the set share of what is published."""

    def __init__(self, withdrawn: int, published: int, share: float) -> None:
        self.withdrawn, self.published, self.share = withdrawn, published, share
        super().__init__(
            f"This would withdraw {withdrawn} of {published} documents from the edges, more than "
            f"the share of {share:.0%} that a repair may (CIRRUS_REPAIR_DELETE_SHARE). "
            "If that is right, say --force."
        )
