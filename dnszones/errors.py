"""What can go wrong with zones."""

from cirrus_site.errors import CirrusError


class BuildBusy(CirrusError):
    """Another worker is building the zones; what was saved is in its build or in the next one."""

    permanent = False

    def __init__(self) -> None:
        super().__init__("Another worker is building the zones; try again in some seconds.")


class ChallengeRefused(CirrusError):
    """A name cannot be proven through our zones; the sentence says why."""


class NotInSync(CirrusError):
    """Not every secondary answers a version in time. `waiting`: who does not, and what it answers."""

    permanent = False

    def __init__(self, *, apex: str, serial: int, waiting: dict[str, str]) -> None:
        self.apex, self.serial, self.waiting = apex, serial, waiting
        who = ", ".join(f"{name} ({why})" for name, why in waiting.items())
        super().__init__(f"Version {serial} of {apex} is not answered by every secondary: {who}.")


class NotSteered(CirrusError):
    """It cannot be said who serves a site; the sentence says why."""
