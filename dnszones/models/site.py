"""Where a domain is answered from: its access name, and how its nodes are chosen."""

from typing import TYPE_CHECKING, Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction

from dnszones.models.zone import TTL_RANGE, Zone
from domains.models import Domain
from nodes.models import Node, Region

#: Nodes that one answer may name: more would not fit into a small DNS packet with IPv6.
MOST_REPLICAS = 8


class Site(models.Model):
    """One domain in the DNS. The row stays when the domain is deleted: its label is never given again."""

    domain = models.OneToOneField(
        Domain,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="site",
        help_text="Empty: deleted.",
    )
    zone = models.ForeignKey(
        Zone,
        on_delete=models.CASCADE,
        editable=False,
        related_name="sites",
        help_text="The zone of its access name; it keeps it.",
    )
    label = models.CharField(max_length=63, unique=True, editable=False)
    replicas = models.PositiveSmallIntegerField(
        "nodes in an answer",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_REPLICAS)],
        help_text="How many nodes clients are given, for IPv4 and for IPv6 each. Empty: 2.",
    )
    ttl = models.PositiveIntegerField(
        "TTL",
        null=True,
        blank=True,
        validators=TTL_RANGE,
        help_text="Seconds that resolvers keep its answer. Empty: the zone's.",
    )
    pinned = models.ManyToManyField(
        Node,
        blank=True,
        related_name="+",
        help_text="Only these nodes. Where none of them can serve, the others do. Empty: any node.",
    )
    excluded = models.ManyToManyField(Node, blank=True, related_name="+", help_text="Never these nodes.")
    regions = models.ManyToManyField(
        Region, blank=True, related_name="+", help_text="Only nodes of these regions. Empty: all."
    )

    class Meta:
        ordering = ["pk"]

    if TYPE_CHECKING:
        domain_id: int | None
        zone_id: int

    def __str__(self) -> str:
        return self.access_name

    @transaction.atomic  # with what the receivers of its signals write
    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)

    @property
    def access_name(self) -> str:
        """The name that the domain's owner points a CNAME at."""
        return f"{self.label}.{self.zone.apex}"
