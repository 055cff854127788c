"""The plan of a repair: what it would do, in words, and whether that is too much to be right."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from edge.comparison import WITHDRAWN, Difference, Problem
from edge.errors import PlanRefused
from edge.lineage import Lineage
from edge.models import Kind

#: Keys that a printed plan names, of each sort.
NAMED = 20


@dataclass
class Plan:
    """What a repair does. `rewrite`: everything again, under a new epoch."""

    lineage: Lineage
    rewrite: bool
    published: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    edges_ahead: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Nothing to do, and nothing that an operator should know."""
        return self.lineage is Lineage.SOUND and not (self.differences or self.broken or self.edges_ahead)

    @property
    def withdrawn(self) -> int:
        """How many of the differences are mended by a withdrawal."""
        return sum(1 for difference in self.differences if difference.problem in WITHDRAWN)

    @property
    def written(self) -> int:
        """How many are mended by writing a document."""
        return len(self.differences) - self.withdrawn

    def require_share(self, share: float) -> None:
        """Raise `PlanRefused` where more than this share of a kind would be withdrawn."""
        extra = Counter(d.kind for d in self.differences if d.problem is Problem.EXTRA)
        # Purges age away: that the last of them all have is no reason to leave the sites as they are.
        for kind, withdrawn in extra.items():
            if kind != Kind.PURGE and withdrawn > share * self.published[kind]:
                raise PlanRefused(kind=kind, withdrawn=withdrawn, published=self.published[kind], share=share)

    def lines(self) -> list[str]:
        """The plan for people."""
        lines = [] if self.lineage is Lineage.SOUND else [f"{self.lineage.value}."]
        lines += [
            f"{name} has applied a newer revision than the database knows." for name in self.edges_ahead
        ]
        lines += [f"cannot be rendered: {why}" for why in self.broken]
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for difference in self.differences:
            found[difference.kind, difference.problem].append(difference.key)
        for (kind, problem), keys in sorted(found.items()):
            more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
            lines.append(f"{kind}, {problem}: {len(keys)} ({', '.join(sorted(keys)[:NAMED])}{more})")
        return lines or ["Redis holds what the database says."]
