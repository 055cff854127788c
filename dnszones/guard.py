"""Whether a new version may replace the last good one. Pure."""

from dataclasses import dataclass

#: So many names may go at once in any zone, however small.
ALWAYS = 10


@dataclass(frozen=True)
class Shrinking:
    """How many names a new version would take from how many."""

    removed: int
    before: int


def refusal(shrinking: Shrinking, *, share: float) -> str:
    """Why the version is refused, as a sentence; "" where it may be published."""
    removed, before = shrinking.removed, shrinking.before
    if removed <= ALWAYS or removed <= share * before:
        return ""
    return (
        f"It would remove {removed:,} of {before:,} names, more than the share of {share:.0%} that a build "
        "may (CIRRUS_ZONE_REMOVE_SHARE). The last good version stays, with all that it answers, even where a "
        "node goes down. If the new one is right, publish it anyway (manage.py rebuild_zones --force)."
    )
