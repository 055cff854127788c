"""Whether a new version may replace the last good one. Pure."""

from dataclasses import dataclass

#: So many names may go at once in any zone, however small.
ALWAYS = 10


@dataclass(frozen=True)
class Shrinking:
    """How many names a new version would take from how many."""

    removed: int
    before: int


def refusal(shrinking: Shrinking, *, share: float, held: bool) -> str:
    """Why the version is not published as it is, as sentences; "" where it may be.

    `held`: the names that would go are known, and stay while the rest is published; else nothing is.
    """
    removed, before = shrinking.removed, shrinking.before
    if removed <= ALWAYS or removed <= share * before:
        return ""
    stays = (
        "Those names are answered as before, and everything else is published."
        if held
        else "The last good version stays, with all that it answers, even where a node goes down."
    )
    return (
        f"It would remove {removed:,} of {before:,} names, more than the share of {share:.0%} that a build "
        f"may (CIRRUS_ZONE_REMOVE_SHARE). {stays} If they shall go, publish it anyway "
        "(manage.py rebuild_zones --force)."
    )
