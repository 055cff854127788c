"""When certificates end, by week: all domains that serve HTTPS on one page. `weeks` is pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from certificates.models import Certificate, Enrollment
from certificates.renewal.policy import Life
from domains.hostnames import display_hostname

#: Weeks that are shown one by one, and domains that one of them names.
MOST_WEEKS, MOST_NAMED = 60, 20
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Ending:
    """One domain's certificate. `uploaded`: nobody renews it by itself."""

    domain_id: int
    host: str
    life: Life
    uploaded: bool = False
    left: float = 0.0

    @property
    def percent(self) -> int:
        """How much of its life is left, of 100."""
        return round(100 * max(0.0, self.left))

    @property
    def late(self) -> bool:
        """Whether it should have been renewed."""
        return self.left < 1 / 5


@dataclass
class Week:
    """The certificates that end in one week. `monday`: None for the first and last row."""

    title: str
    monday: date | None = None
    endings: list[Ending] = field(default_factory=list)
    count: int = 0

    @property
    def more(self) -> int:
        return self.count - len(self.endings)

    @property
    def uploaded(self) -> int:
        return sum(ending.uploaded for ending in self.endings)


def endings() -> Iterable[Ending]:
    """Every real certificate that is served, the first to end first."""
    rows = (
        Enrollment.objects.filter(domain__tls=True)
        .exclude(current=None)
        .exclude(current__source=Certificate.Source.PLACEHOLDER)
        .order_by("current__not_after", "domain__host")
        .values_list("domain_id", "domain__host", "current__not_before", "current__not_after", "source")
    )
    for pk, host, begin, end, source in rows.iterator():
        yield Ending(pk, display_hostname(host), Life(begin, end), source == Enrollment.Source.UPLOAD)


def weeks(found: Iterable[Ending], *, now: datetime) -> list[Week]:
    """The rows of the calendar: what has ended, each week in which something ends, and what comes later."""
    this = now.date() - timedelta(days=now.weekday())
    last = this + MOST_WEEKS * WEEK
    rows: dict[date | str, Week] = {}
    for ending in found:
        end = ending.life.end
        monday = end.date() - timedelta(days=end.weekday())
        if end <= now:
            row = rows.setdefault("ended", Week("Ended"))
        elif monday > last:
            row = rows.setdefault("later", Week("Later"))
        else:
            row = rows.setdefault(monday, Week(_title(monday, this), monday))
        row.count += 1
        if len(row.endings) < MOST_NAMED:
            share = ending.life.share_left(now)
            row.endings.append(Ending(ending.domain_id, ending.host, ending.life, ending.uploaded, share))
    return [*rows.values()]


def _title(monday: date, this: date) -> str:
    ahead = (monday - this) // WEEK
    words = {0: "This week", 1: "Next week"}.get(ahead, f"In {ahead} weeks")
    return f"{words}, from {monday:%Y-%m-%d}"
