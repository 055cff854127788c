"""Where traffic is served: regions, the nodes in them, and how their states have changed."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction

from nodes.addresses import address_refusal

#: A DNS label (RFC 1123 section 2.1): the name is used in Redis keys, file names and metrics.
label_validator = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    "Use 1 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit.",
)


class RegionQuerySet(models.QuerySet["Region"]):
    def backup_names(self) -> dict[str, tuple[str, ...]]:
        """Region → the regions that take over from it, in their order (every region, in two queries)."""
        names = {region.pk: region.name for region in self}
        found: dict[str, tuple[str, ...]] = dict.fromkeys(names.values(), ())
        for row in RegionBackup.objects.filter(region__in=names).select_related("backup"):
            found[names[row.region_id]] += (row.backup.name,)
        return found


class Region(models.Model):
    """A group of nodes that are near to the same clients."""

    name = models.CharField(
        max_length=63, unique=True, validators=[label_validator], help_text="For example eu-west."
    )
    title = models.CharField(max_length=100, blank=True, help_text="For people: “Western Europe”.")
    backups = models.ManyToManyField(
        "self", through="RegionBackup", symmetrical=False, related_name="backup_of"
    )

    objects = RegionQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @transaction.atomic  # with what the receivers of its signals write
    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)


class RegionBackup(models.Model):
    """A region that takes over the clients of another one which has no healthy node, in its turn."""

    region = models.ForeignKey(Region, on_delete=models.CASCADE, related_name="backup_rows")
    backup = models.ForeignKey(Region, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField("turn", default=10, help_text="The lowest is asked first.")

    class Meta:
        ordering = ["position", "pk"]
        verbose_name = "backup region"
        constraints = [
            models.UniqueConstraint(
                fields=["region", "backup"],
                name="one_backup_row_per_region",
                violation_error_message="This region is named twice.",
            ),
            models.CheckConstraint(
                condition=~models.Q(region=models.F("backup")),
                name="region_is_not_its_own_backup",
                violation_error_message="A region cannot take over from itself.",
            ),
        ]

    if TYPE_CHECKING:
        region_id: int
        backup_id: int

    def __str__(self) -> str:
        return f"{self.backup} for {self.region}"

    @transaction.atomic  # with what the receivers of its signals write
    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)

    def clean(self) -> None:
        # A form that shows rows inside their region validates no constraint that names the region.
        if self.backup_id and self.region_id == self.backup_id:
            raise ValidationError({"backup": "A region cannot take over from itself."})


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
            "clients. pending, down and maintenance: nobody waits for it. A pending one comes up by itself "
            "when its edge answers; up and down follow its health."
        ),
    )
    # Machine state: set by services and by the probes' decision, never in a form.
    trial = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="How often it was put into service by hand; what probes found in an earlier trial is void.",
    )
    withdrawn_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When no secondary answered with it any more, since it is draining.",
    )
    safe_to_stop_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the last of those answers has expired."
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
        if self._state.adding and self.state == self.State.UP:
            self.trial += 1  # somebody says that it is well: it starts as if proven
        super().save(*args, **kwargs)

    def clean(self) -> None:
        # A form leaves "" for no address, which the constraint would take for one.
        self.ipv4, self.ipv6 = self.ipv4 or None, self.ipv6 or None
        self.status_address = self.status_address or None
        if self.status_host:
            allow = settings.CIRRUS.origin_allow
            if refusal := address_refusal(self.status_host, allow=allow):
                field = "status_address" if self.status_address else "ipv4" if self.ipv4 else "ipv6"
                raise ValidationError(
                    {field: f"Its status port could not be asked: {refusal}. Enter another status address."}
                )
        if self.pk and Node.objects.filter(pk=self.pk).exclude(name=self.name).exists():
            raise ValidationError(
                {"name": "A node keeps its name: its edge was started with it. Add a new node instead."}
            )

    @property
    def status_host(self) -> str:
        """The address of the edge's status server."""
        return self.status_address or self.ipv4 or self.ipv6 or ""

    @property
    def status_authority(self) -> str:
        """Host and port of the edge's status server, as in a URL: `[2001:db8::1]:9145`."""
        host = self.status_host
        return f"[{host}]:{self.status_port}" if ":" in host else f"{host}:{self.status_port}"


class NodeEvent(models.Model):
    """One change of a node's state: the lines of its timeline."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    old = models.CharField("from", max_length=16, blank=True, help_text="Empty: it was added.")
    new = models.CharField("to", max_length=16)
    reason = models.TextField(blank=True)
    by = models.CharField(max_length=150, help_text="A person, a command, or the probes.")

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = "state change"
        indexes = [
            models.Index(fields=["node", "-at"], name="events_by_node"),
            models.Index(fields=["at"], name="events_by_time"),
        ]

    if TYPE_CHECKING:
        node_id: int

    def __str__(self) -> str:
        return f"{self.node}: {self.old or 'added'} → {self.new}"
