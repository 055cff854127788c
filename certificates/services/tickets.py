"""Session ticket keys: made, published ahead of their time, and forgotten; see renewal/rotation.py."""

import logging
import secrets
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.sealing import seal
from certificates.models import TicketKey
from certificates.renewal.rotation import rotation
from domains.models import Domain

logger = logging.getLogger(__name__)

#: A name of 16 bytes, 32 for HMAC and 32 for AES-256, as OpenSSL's and nginx's tickets need them.
LENGTH = 80


@transaction.atomic
def ticket_keys_rotate(*, now: datetime | None = None) -> int:
    """Make the keys that are due, and forget the old ones; the number of changes.

    Running twice makes nothing twice: whoever comes second sees what the first one has made.
    """
    now = now or timezone.now()
    keys = list(TicketKey.objects.select_for_update().order_by("active_from", "pk"))
    if not keys and not Domain.objects.filter(tls=True).exists():
        return 0
    due = rotation([key.active_from for key in keys], now=now)
    for begin in due.begins:
        label = f"{begin:%Y%m%dT%H%M%S}"
        if TicketKey.objects.filter(label=label).exists():
            continue
        sealed = seal(secrets.token_bytes(LENGTH), record=f"tickets:{label}", ring="edges")
        TicketKey.objects.create(label=label, active_from=begin, key=sealed)
        logger.info("ticket_key_made label=%s", label)
    for place in due.forget:
        keys[place].delete()
    return len(due.begins) + len(due.forget)
