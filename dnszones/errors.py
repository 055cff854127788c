"""What can go wrong with zones."""

from pathlib import Path

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


class ZoneRefused(CirrusError):
    """The newest build of a zone is not published; the sentence says why."""

    def __init__(self, apex: str, why: str) -> None:
        self.apex, self.why = apex, why
        super().__init__(f"The zone {apex} is not published. {why}")


class UnknownSecondary(CirrusError):
    """A secondary is named that the primary is not told of."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.known = name, known
        there = f"there are: {', '.join(known)}" if known else "there is none"
        super().__init__(f"No secondary that is enabled and published is called {name}; {there}.")


class NsdFolderMissing(CirrusError):
    """A folder has no configuration of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"{folder} has no zones.conf; manage.py nsd_config writes it.")


class NsdNotReconfigured(CirrusError):
    """NSD could not be told of new zones. They are written down, and its next start reads them."""

    permanent = False

    def __init__(self, folder: Path, why: str) -> None:
        self.folder, self.why = folder, why
        super().__init__(f"The NSD of {folder} has not taken over the list of zones ({why.rstrip('.')}).")


class NotSteered(CirrusError):
    """It cannot be said who serves a site; the sentence says why."""
