"""Tables for the commands: certificates, and what would be renewed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from certificates.issuance.names import ordered_names
from certificates.models import Certificate, Enrollment
from certificates.renewal.choice import Later
from certificates.renewal.ladder import Rung, Trouble, is_overdue, rung
from certificates.services.authorities import authorities_for, authority_choose
from certificates.services.next_steps import next_step, when
from certificates.services.situations import (
    enrollment_plan,
    is_real,
    life_of,
    open_order,
    wanted_names,
    with_plans,
)
from certificates.services.tending import nobody_problem
from domains.hostnames import display_hostname

HEADER = ("domain", "names", "issuer", "until", "served on", "next step", "problem")


@dataclass(frozen=True)
class Row:
    """One domain. `problem`: what is wrong, "" where nothing is."""

    cells: tuple[str, ...]
    problem: str


def certificate_rows(*, now: datetime) -> list[Row]:
    """One for each domain that serves HTTPS, by name."""
    found = with_plans(Enrollment.objects.filter(domain__tls=True))
    return [_row(enrollment, now) for enrollment in found.order_by("domain__host")]


def _row(enrollment: Enrollment, now: datetime) -> Row:
    current = enrollment.current
    problem = _problem(enrollment, now)
    cells = (
        display_hostname(enrollment.domain.host),
        str(len(wanted_names(enrollment))),
        _issuer(current),
        f"{current.not_after:%Y-%m-%d %H:%M}" if current else "",
        _served(current),
        next_step(enrollment, now=now),
        problem,
    )
    return Row(cells, problem)


def _issuer(current: Certificate | None) -> str:
    if current is None:
        return "none"
    return current.issuer if is_real(current) else "placeholder (self-signed)"


def _served(current: Certificate | None) -> str:
    if not current or not current.served:
        return ""
    good = sum(bool(seen.get("ok")) for seen in current.served.values())
    return f"{good} of {len(current.served)}"


def _problem(enrollment: Enrollment, now: datetime) -> str:
    if not enrollment.domain.enabled:
        return ""
    current = enrollment.current
    life = life_of(current) if current and is_real(current) else None
    revoked_at = current.revoked_at if current else None
    coming = bool(enrollment.requested_at or enrollment.candidate)
    trouble = Trouble(enrollment.attempts, enrollment.first_failed_at)
    step = rung(life, trouble, now=now, revoked=is_overdue(revoked_at, coming=coming, now=now))
    said = [_WORDS[step]] if step else []
    if enrollment.problem:
        said.append(enrollment.problem)
    if current:
        bad = sorted(name for name, seen in current.served.items() if not seen.get("ok"))
        if bad:
            said.append(f"not served by {', '.join(bad[:3])}")
    return ": ".join(said)


_WORDS = {
    Rung.FAILING: "it cannot be issued",
    Rung.LATE: "little of its life is left",
    Rung.URGENT: "it ends soon",
    Rung.REVOKED: "it was revoked",
    Rung.ENDED: "it has ended",
    Rung.MISSING: "there is none",
}


def renewal_rows(
    enrollments: Iterable[Enrollment], *, now: datetime, force: bool = False
) -> list[tuple[str, ...]]:
    """What would be ordered for each, when, why and where; the first one first."""
    found = []
    for enrollment in enrollments:
        planned = enrollment_plan(enrollment, now=now)
        order = open_order(enrollment)
        at = now if force or order else planned.at
        names = ordered_names(enrollment.domain.host, wanted_names(enrollment))
        word = "under way" if order else "now" if at <= now else "later"
        why = "you force it" if force else planned.why
        cells = (
            display_hostname(enrollment.domain.host),
            word,
            when(at, now),
            why,
            _where(enrollment, names, now),
            _some(names),
        )
        found.append((at, cells))
    return [cells for _, cells in sorted(found)]


def _where(enrollment: Enrollment, names: Sequence[str], now: datetime) -> str:
    authorities = authorities_for(enrollment)
    chosen = authority_choose(authorities=authorities, names=names, now=now)
    if isinstance(chosen, Later):
        if chosen.at is None:
            return nobody_problem(authorities, len(names))
        return f"none may be asked before {chosen.at:%Y-%m-%d %H:%M} UTC"
    authority, choice = chosen
    return f"{authority.name} (staging first)" if choice.staging else authority.name


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of columns of one width each; none where there is no row."""
    lines = list(rows)
    if not lines:
        return []
    widths = [max(len(cell) for cell in column) for column in zip(header, *lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [header, *lines]
    ]
