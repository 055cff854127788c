"""What happens next with a domain's certificate, in one sentence for people."""

from datetime import datetime, timedelta

from certificates.models import Enrollment
from certificates.renewal.plan import NEVER
from certificates.services.situations import enrollment_plan, open_order


def next_step(enrollment: Enrollment, *, now: datetime) -> str:
    """What is next, when, and why (of an enrollment out of `with_plans`)."""
    domain = enrollment.domain
    if not domain.tls:
        return "nothing: the domain does not serve HTTPS"
    if not domain.enabled:
        return "nothing: the domain is disabled"
    if enrollment.source != Enrollment.Source.ACME:
        return "nothing by itself: the certificate is uploaded by hand"
    if order := open_order(enrollment):
        where = f"{order.authority.name}'s staging" if order.staging else order.authority.name
        waits = f", {order.sentence}" if order.sentence else ""
        return f"an order at {where} is under way ({order.get_state_display()}{waits})"
    planned = enrollment_plan(enrollment, now=now)
    if planned.at == NEVER:
        return f"nothing by itself: {planned.why}"
    return f"{'an order' if planned.urgent else 'renewal'} {when(planned.at, now)}: {planned.why}"


def when(moment: datetime, now: datetime) -> str:
    """A time as people say it: “now”, “in 5 minutes”, “on 2027-01-30 12:00 UTC”, “never”."""
    if moment == NEVER:
        return "never"
    ahead = moment - now
    if ahead <= timedelta():
        return "now"
    if ahead < timedelta(minutes=90):
        minutes = max(1, round(ahead / timedelta(minutes=1)))
        return f"in {minutes} minute{'s' if minutes > 1 else ''}"
    return f"on {moment:%Y-%m-%d %H:%M} UTC"
