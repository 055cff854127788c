"""What keeps the demo from starting or from obeying."""

from collections.abc import Sequence

from cirrus_site.errors import CirrusError


class DemoError(CirrusError):
    """A wish that cannot be fulfilled now; the sentence says why."""


class DemoBlocked(DemoError):
    """Something is in the way of `just up`: every problem, each a sentence."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(["Cirrus cannot start:", *(f"  - {problem}" for problem in problems)]))
