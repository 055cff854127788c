"""The name servers that answer the world, and what they were last seen to answer."""

from typing import TYPE_CHECKING, Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction

from dnszones.models.zone import Zone
from nodes.models import label_validator


class SecondaryQuerySet(models.QuerySet["Secondary"]):
    def of_zone(self, zone: Zone) -> "SecondaryQuerySet":
        """The enabled ones that are given this zone."""
        every = models.Q(zones__isnull=True) | models.Q(zones=zone)
        return self.filter(every, enabled=True).distinct()


class Secondary(models.Model):
    """A standard name server (NSD, Knot, BIND) that is given our zones."""

    class Algorithm(models.TextChoices):
        SHA256 = "hmac-sha256", "HMAC-SHA-256"
        SHA384 = "hmac-sha384", "HMAC-SHA-384"
        SHA512 = "hmac-sha512", "HMAC-SHA-512"

    name = models.CharField(
        max_length=63,
        unique=True,
        validators=[label_validator],
        help_text="As it is called here, in metrics and in manage.py nsd_config --secondary NAME.",
    )
    enabled = models.BooleanField(
        default=True,
        help_text="A disabled one gets no zones, and no change waits for it: do this with one that is gone.",
    )
    address = models.GenericIPAddressField(
        unpack_ipv4=True, help_text="Where it is told of changes, and asked what it answers."
    )
    port = models.PositiveIntegerField(
        default=53, validators=[MinValueValidator(1), MaxValueValidator(65_535)]
    )
    zones = models.ManyToManyField(
        Zone, blank=True, related_name="secondaries", help_text="Only these zones. Empty: all of them."
    )
    tsig_name = models.CharField(
        "key name",
        max_length=253,
        unique=True,
        help_text="The name of its TSIG key (RFC 8945), the same on both sides.",
    )
    tsig_algorithm = models.CharField(
        "algorithm", max_length=16, choices=Algorithm.choices, default=Algorithm.SHA256
    )
    tsig_secret = models.TextField("secret", editable=False, help_text="Sealed; never shown.")
    notes = models.TextField(blank=True, help_text="For your team.")

    objects = SecondaryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "secondaries"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @transaction.atomic  # with what the receivers of its signals write
    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)


class SecondaryState(models.Model):
    """What one secondary was last seen to answer for one zone."""

    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="states")
    secondary = models.ForeignKey(Secondary, on_delete=models.CASCADE, related_name="states")
    serial = models.PositiveBigIntegerField(
        "version", null=True, blank=True, help_text="The version that its marker record names."
    )
    soa_serial = models.PositiveBigIntegerField(
        "serial", null=True, blank=True, help_text="In its SOA record; one that signs has its own."
    )
    asked_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When it last answered.")
    behind_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when it answers something older than what was published."
    )
    error = models.TextField(blank=True, help_text="Why it did not answer, or not with our zone.")

    class Meta:
        ordering = ["zone", "secondary"]
        constraints = [
            models.UniqueConstraint(fields=["zone", "secondary"], name="one_state_per_zone_and_secondary")
        ]

    if TYPE_CHECKING:
        zone_id: int
        secondary_id: int

    def __str__(self) -> str:
        return f"{self.secondary}: {self.zone}"
