"""Why a configuration is not applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cirrus_site.errors import CirrusError
from configuration.paths import Path, written


class ConfigInvalid(CirrusError):
    """Something in it cannot be. `errors`: where it stands in the document → sentence."""

    #: Paths that the sentence names.
    NAMED = 50

    def __init__(self, errors: Mapping[Path, str]) -> None:
        self.errors = dict(errors)
        shown = [f"{written(path) or 'document'}: {said}" for path, said in self.errors.items()]
        more = [f"… and {len(shown) - self.NAMED:,} more"] if len(shown) > self.NAMED else []
        super().__init__("\n".join(["Nothing was applied.", *shown[: self.NAMED], *more]))


class ApplyInvalid(CirrusError):
    """The same for programs that did not wait. `errors`: JSON pointer into what was sent → sentence."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        said = [f"{field}: {reason}" for field, reason in self.errors.items()]
        super().__init__("\n".join(["Nothing was applied.", *said]))


class MayNoMore(CirrusError):
    """Whoever asked may not do it any more."""

    def __init__(self, who: str) -> None:
        super().__init__(f"{who} may not do it any more. Nothing was applied.")


class ApplyBusy(CirrusError):
    """Another configuration is being applied for so long that this one has stopped waiting."""

    permanent = False

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Another configuration was being planned or applied for {seconds:g} seconds; nothing was done."
        )


@dataclass(frozen=True)
class Excess:
    """More of something than may go at once."""

    what: str
    removed: int
    there: int
    share: float

    @property
    def reason(self) -> str:
        return (
            f"It would remove {self.removed:,} of {self.there:,} {self.what}, "
            f"and at most {self.share:.0%} may go at once."
        )


class RemovesTooMuch(CirrusError):
    """It would remove more of something than was allowed. `asked`: how much it would do, in words."""

    #: What to do about it.
    REMEDY = "Allow a greater share (--remove-share, remove_share) if this is meant."

    def __init__(self, excesses: Sequence[Excess], asked: str) -> None:
        self.excesses, self.asked = tuple(excesses), asked
        reasons = " ".join(excess.reason for excess in self.excesses)
        super().__init__(f"{reasons} Nothing was applied of the plan: {asked}. {self.REMEDY}")
