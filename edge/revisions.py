"""Revision numbers: given out by SQL, so that they survive the loss of Redis."""

import time

from django.db import transaction
from django.db.models import F

from edge.models import Keyspace


def current_keyspace() -> Keyspace:
    """The counters of this installation; the first call begins its first epoch."""
    keyspace, _created = Keyspace.objects.get_or_create(pk=1, defaults={"epoch": int(time.time())})
    return keyspace


def take_revisions(count: int) -> tuple[int, int]:
    """Reserve `count` revisions: (epoch, the first of them). Not inside a transaction of the caller.

    Take them *before* reading what they will number: then whoever holds the newest number has
    also read last. Durable, because a number that a rollback gave back would be given out twice.
    """
    current_keyspace()
    with transaction.atomic(durable=True):
        Keyspace.objects.filter(pk=1).update(revision=F("revision") + count)
        keyspace = Keyspace.objects.get(pk=1)
    return keyspace.epoch, keyspace.revision - count + 1


def begin_epoch(*, past_epoch: int, past_revision: int) -> Keyspace:
    """Begin a new line of revisions, after everything that readers may have seen.

    For a database that was restored from a backup: its counter is behind what it once gave out,
    and readers refuse older revisions unless the epoch is newer. Epochs are Unix times, so that
    one begun now is newer than any that the lost database began.
    """
    current_keyspace()
    with transaction.atomic(durable=True):
        keyspace = Keyspace.objects.select_for_update().get(pk=1)
        keyspace.epoch = max(int(time.time()), keyspace.epoch + 1, past_epoch + 1)
        keyspace.revision = max(keyspace.revision, past_revision)
        keyspace.save(update_fields=["epoch", "revision"])
    return keyspace
