"""The jobs of deployments; `cirrus_site/schedule.py` says how often. Each may run twice."""

from celery import shared_task
from django.core.cache import cache

from certificates.deployment.deploying import deploy
from certificates.deployment.tending import deployments_unfinished, placeholders_ensure, served_watch
from certificates.deployment.waking import wake
from certificates.models import Enrollment

#: Seconds for which a deployment belongs to one worker; one takes under a second, unless an edge is silent.
LEASE = 45
#: Seconds after which one that waits for edges, or that cannot be served now, is looked at again.
AGAIN = 60
#: Certificates of one domain that one task deploys, where each has taken the place of the one before.
IN_A_ROW = 3


@shared_task(soft_time_limit=110, time_limit=120)
def deploy_certificate(enrollment_id: int) -> None:
    """Bring one deployment forward. Two at once do no harm, but twice the work."""
    turn = f"deploying:{enrollment_id}"
    if cache.add(turn, "1", LEASE) is False:
        return
    try:
        for _ in range(IN_A_ROW):
            outcome = deploy(enrollment_id)
            if outcome.state != "served":
                cache.set(f"deployment-waits:{enrollment_id}", "1", AGAIN)
            if outcome.state != "nothing" or not _is_under_way(enrollment_id):
                break
    finally:
        cache.delete(turn)


@shared_task(soft_time_limit=50, time_limit=60)
def resume_deployments() -> None:
    """Wake workers for what a killed one has left, or what waited for an edge."""
    placeholders_ensure()
    for enrollment_id in deployments_unfinished():
        if not cache.get(f"deployment-waits:{enrollment_id}"):
            wake(enrollment_id)


@shared_task(soft_time_limit=280, time_limit=290)
def check_served() -> None:
    """Compare what the edges serve with what they should."""
    served_watch()


def _is_under_way(enrollment_id: int) -> bool:
    return Enrollment.objects.filter(pk=enrollment_id).exclude(candidate=None).exists()
