"""Why a configuration is not applied."""

from collections.abc import Mapping

from cirrus_site.errors import CirrusError


class ConfigInvalid(CirrusError):
    """Something in it cannot be. `errors`: path in the document → sentence."""

    #: Paths that the sentence names.
    NAMED = 50

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        shown = [f"{path or 'document'}: {said}" for path, said in self.errors.items()]
        more = [f"… and {len(shown) - self.NAMED:,} more"] if len(shown) > self.NAMED else []
        super().__init__("\n".join(["Nothing was applied.", *shown[: self.NAMED], *more]))


class ApplyBusy(CirrusError):
    """Another configuration is being applied for so long that this one has stopped waiting."""

    permanent = False

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Another configuration was being planned or applied for {seconds:g} seconds; nothing was done."
        )


class RemovesTooMuch(CirrusError):
    """It would remove more of something than was allowed."""

    def __init__(self, what: str, removed: int, there: int, share: float) -> None:
        self.what, self.removed, self.there, self.share = what, removed, there, share
        super().__init__(
            f"It would remove {removed:,} of {there:,} {what}, and at most {share:.0%} may go at once. "
            "Nothing was applied; allow a greater share (--remove-share, remove_share) if this is meant."
        )
