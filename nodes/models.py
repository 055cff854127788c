"""Where traffic is served: regions and the nodes in them."""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction

#: A DNS label (RFC 1123 section 2.1): the name is used in Redis keys, file names and metrics.
label_validator = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    "Use 1 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit.",
)


class Region(models.Model):
    """A group of nodes that are near to the same clients."""

    name = models.CharField(
        max_length=63, unique=True, validators=[label_validator], help_text="For example eu-west."
    )
    title = models.CharField(max_length=100, blank=True, help_text="For people: “Western Europe”.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @transaction.atomic  # with what the receivers of its signals write
    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)


class NodeQuerySet(models.QuerySet["Node"]):
    def serving(self) -> "NodeQuerySet":
        """The edges that clients may be talking to now: they must have every change."""
        return self.filter(is_edge=True, state__in=[Node.State.UP, Node.State.DRAINING])


class Node(models.Model):
    """One machine that runs an edge."""

    class State(models.TextChoices):
        PENDING = "pending", "pending"
        UP = "up", "up"
        DOWN = "down", "down"
        DRAINING = "draining", "draining"
        MAINTENANCE = "maintenance", "maintenance"

    name = models.CharField(
        max_length=63,
        unique=True,
        validators=[label_validator],
        help_text="The id that the edge is started with: manage.py run_edge --node NAME.",
    )
    region = models.ForeignKey(Region, on_delete=models.PROTECT, related_name="nodes")
    is_edge = models.BooleanField("edge", default=True, help_text="Serves clients.")
    is_shield = models.BooleanField(
        "shield", default=False, help_text="Stands between the other edges and the origins."
    )
    ipv4 = models.GenericIPAddressField(
        "IPv4 address",
        protocol="IPv4",
        null=True,
        blank=True,
        help_text="Where clients reach it. One of the two addresses is enough.",
    )
    ipv6 = models.GenericIPAddressField("IPv6 address", protocol="IPv6", null=True, blank=True)
    status_address = models.GenericIPAddressField(
        "status address",
        null=True,
        blank=True,
        help_text=(
            "Where the portal reaches the edge's status port (CIRRUS_EDGE_STATUS_BIND there). Empty: the "
            "IPv4 "
            "address, else the IPv6 address."
        ),
    )
    status_port = models.PositiveIntegerField(
        "status port",
        default=9145,
        validators=[MinValueValidator(1), MaxValueValidator(65_535)],
        help_text="The --status-port (or CIRRUS_EDGE_STATUS_PORT) that its edge was started with.",
    )
    weight = models.PositiveIntegerField(
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="Its share of the sites, against the other nodes: 200 gets twice as many as 100.",
    )
    state = models.CharField(
        max_length=16,
        choices=State.choices,
        default=State.PENDING,
        help_text=(
            "up: clients may come, and every change must reach it. draining: the same, but it gets no new "
            "clients. pending, down and maintenance: nobody waits for it."
        ),
    )
    notes = models.TextField(blank=True, help_text="For your team; the edges never see it.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = NodeQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ipv4__isnull=False) | models.Q(ipv6__isnull=False),
                name="node_has_an_address",
                violation_error_message="A node needs an IPv4 address, an IPv6 address, or both.",
            ),
            models.CheckConstraint(
                condition=models.Q(is_edge=True) | models.Q(is_shield=True),
                name="node_has_a_role",
                violation_error_message="A node needs at least one role: edge, shield, or both.",
            ),
        ]

    if TYPE_CHECKING:
        region_id: int

    def __str__(self) -> str:
        return self.name

    @transaction.atomic  # with what the receivers of its signals write
    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)

    def clean(self) -> None:
        # A form leaves "" for no address, which the constraint would take for one.
        self.ipv4, self.ipv6 = self.ipv4 or None, self.ipv6 or None
        self.status_address = self.status_address or None
        if self.pk and Node.objects.filter(pk=self.pk).exclude(name=self.name).exists():
            raise ValidationError(
                {"name": "A node keeps its name: its edge was started with it. Add a new node instead."}
            )

    @property
    def status_authority(self) -> str:
        """Host and port of the edge's status server, as in a URL: `[2001:db8::1]:9145`."""
        host = self.status_address or self.ipv4 or self.ipv6 or ""
        return f"[{host}]:{self.status_port}" if ":" in host else f"{host}:{self.status_port}"
