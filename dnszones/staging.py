"""What a save does to the zones: it notes that they are to be built again, and wakes a worker.

Nothing is built inside a web request. The note is part of the saving transaction, so none is lost:
where no worker could be woken (Redis is down), the scheduled job finds it.
"""

import logging
from collections.abc import Sequence

from django.utils import timezone
from kombu.exceptions import OperationalError

from dnszones.models import StagedZone, Zone
from edge import keyspace
from edge.errors import RedisUnreachable
from edge.once import OncePerCommit
from edge.signals import Effect
from edge.store import reaching_redis

logger = logging.getLogger(__name__)

#: Stands for every zone in a list of primary keys.
EVERY = 0
#: Seconds for which a task that was sent and has not begun is trusted to be still there.
POKE_TIME = 30


def zones_stage(zone_ids: Sequence[int]) -> None:
    """Have these zones built again after the commit; `EVERY` among them: all of them."""
    if not Zone.objects.exists():
        return  # nothing to build; the first zone stages itself
    now = timezone.now()
    ids = [EVERY] if EVERY in zone_ids else zone_ids
    StagedZone.objects.bulk_create([StagedZone(zone_id=pk, staged_at=now) for pk in ids])
    _waking.ask()


def zones_force(zone_ids: Sequence[int]) -> None:
    """Have the next build of these zones published even where it takes many names away."""
    now = timezone.now()
    StagedZone.objects.bulk_create([StagedZone(zone_id=pk, force=True, staged_at=now) for pk in zone_ids])
    _waking.ask()


def wake() -> None:
    """Have a worker build what is staged; one task waits at most, however many ask."""
    from dnszones.tasks import rebuild

    try:
        with reaching_redis() as client:
            if client.set(keyspace.ZONES_POKE, "1", nx=True, ex=POKE_TIME):
                rebuild.apply_async(retry=False, expires=2 * POKE_TIME)
    except (RedisUnreachable, OperationalError) as error:
        logger.warning("staged, no worker was woken: %s", error)


def zones_stage_themselves(apexes: Sequence[str]) -> None:
    """These zones were made, changed, disabled or deleted; they and those around them are built again."""
    now = timezone.now()
    StagedZone.objects.bulk_create([StagedZone(zone_id=EVERY, apex=apex, staged_at=now) for apex in apexes])
    _waking.ask()


_waking = OncePerCommit(wake)

#: For the table of effects: every zone may be another one, or the one that the object belongs to.
EVERY_ZONE = Effect(zones_stage, lambda _: [EVERY])
ZONE_ITSELF = Effect(zones_stage_themselves, lambda zone: [zone.apex])
OWN_ZONE = Effect(zones_stage, lambda part: [part.zone_id])
