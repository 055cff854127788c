"""Raising and clearing alarms. All of it may be called again and again: only news are written."""

import logging
from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from alarms.models import Alarm

logger = logging.getLogger(__name__)

#: How long a cleared alarm is kept.
KEPT = timedelta(days=90)


def alarm_raise(
    *, kind: str, subject: str, sentence: str, severity: Alarm.Severity = Alarm.Severity.WARNING
) -> Alarm:
    """The open alarm of this kind and subject: a new one (logged as an error), or the one that is open,
    which then says what is new. Two processes that raise the same one at once raise one."""
    now = timezone.now()
    news = {"sentence": sentence, "severity": severity, "changed_at": now}
    with transaction.atomic():
        alarm, is_new = Alarm.objects.get_or_create(
            kind=kind, subject=subject, cleared_at=None, defaults={**news, "raised_at": now}
        )
    if is_new:
        logger.error("alarm %s of %s: %s", kind, subject, sentence)
    elif (alarm.sentence, alarm.severity) != (sentence, severity):
        for name, value in news.items():
            setattr(alarm, name, value)
        alarm.save(update_fields=[*news])
    return alarm


def alarm_clear(*, kind: str, subject: str) -> bool:
    """Close the open alarm of this kind and subject; False where none is open."""
    return _clear(kind, [subject]) > 0


def alarms_settle(
    *, kind: str, sentences: Mapping[str, str], severity: Alarm.Severity = Alarm.Severity.WARNING
) -> None:
    """Make `sentences` (subject → sentence) exactly the open alarms of this kind."""
    gone = set(Alarm.objects.open().filter(kind=kind).values_list("subject", flat=True)) - set(sentences)
    _clear(kind, sorted(gone))
    for subject, sentence in sentences.items():
        alarm_raise(kind=kind, subject=subject, sentence=sentence, severity=severity)


def alarms_expire() -> int:
    """Forget what was cleared long ago; the number of alarms."""
    forgotten, _ = Alarm.objects.filter(cleared_at__lt=timezone.now() - KEPT).delete()
    return forgotten


def _clear(kind: str, subjects: list[str]) -> int:
    if not subjects:
        return 0
    cleared = Alarm.objects.open().filter(kind=kind, subject__in=subjects).update(cleared_at=timezone.now())
    if cleared:
        logger.warning("alarm %s is over: %s", kind, ", ".join(subjects))
    return cleared
