"""A worker is woken for a deployment; where none can be, the scheduled job finds it."""

import logging

from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

#: Seconds after which a task that nobody has begun is void: the scheduled job has sent another by then.
EXPIRES = 60


def wake(enrollment_id: int) -> None:
    """Have a worker bring the deployment of this enrollment forward."""
    from certificates.deployment.tasks import deploy_certificate

    try:
        deploy_certificate.apply_async((enrollment_id,), retry=False, expires=EXPIRES)
    except OperationalError as error:
        logger.warning("a certificate is to be deployed, no worker was woken: %s", error)
