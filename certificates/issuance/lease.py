"""One worker at a time advances an order, and one that was slow cannot write over its successor.

    UPDATE order SET fence = fence + 1, leased_until = … WHERE fence = what was read   -- take it
    UPDATE order SET … WHERE id = … AND fence = mine                                   -- each write

The lease outlasts the longest single request to an authority, and is renewed before each of them: a worker
that has lost it asks for nothing any more either.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from certificates.issuance.errors import LeaseLost
from certificates.models import Order

#: How long an order stays with a worker that is not heard of.
LEASE = timedelta(seconds=180)


@dataclass(frozen=True)
class Lease:
    """The right to advance one order, as long as nobody has taken it over."""

    order_id: int
    fence: int

    def write(self, **fields: Any) -> None:
        """Write these columns, and keep the lease. Raises `LeaseLost`."""
        now = timezone.now()
        # No document is made of an order, so that update() passes nobody by.
        written = Order.objects.filter(pk=self.order_id, fence=self.fence, ended_at=None).update(
            **{"leased_until": now + LEASE, "changed_at": now, **fields}
        )
        if not written:
            raise LeaseLost(self.order_id)

    def hold(self) -> None:
        """Keep the lease for another while. Raises `LeaseLost`."""
        self.write()


def lease_take(order_id: int) -> Lease | None:
    """The lease of an open order; None where another worker has it, or where the order has ended."""
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    found = Order.objects.filter(free, pk=order_id, ended_at=None)
    fence = found.values_list("fence", flat=True).first()
    if fence is None:
        return None
    taken = found.filter(fence=fence).update(fence=fence + 1, leased_until=now + LEASE)
    return Lease(order_id, fence + 1) if taken else None
