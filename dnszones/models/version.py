"""Versions of zones that were published, and zones that are still to be built again."""

from typing import TYPE_CHECKING

from django.db import models

from dnszones.models.zone import Zone


class ZoneVersion(models.Model):
    """One version of a zone, as it was given to the primary.

    It is PENDING until every secondary answers it (or a newer one), then INSYNC.
    """

    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="versions")
    serial = models.PositiveBigIntegerField()
    facts_at = models.DateTimeField(help_text="What was saved before is in it.")
    published_at = models.DateTimeField(help_text="When the primary could serve it.")
    insync_at = models.DateTimeField(
        null=True, blank=True, help_text="When every secondary answered it. Empty: pending."
    )
    changed = models.PositiveIntegerField(help_text="Names that differ from the version before.")
    changed_names = models.JSONField(default=list, help_text="The first of them.")
    names = models.PositiveIntegerField(help_text="Names in it.")
    nodes = models.JSONField(default=list, help_text="The nodes that its answers name.")
    replaced_ttl = models.PositiveIntegerField(
        default=0, help_text="Seconds for which resolvers may keep an answer that this version has replaced."
    )

    class Meta:
        verbose_name = "version"
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["zone", "serial"], name="one_version_per_serial")]
        indexes = [
            models.Index(
                fields=["zone", "id"], condition=models.Q(insync_at__isnull=True), name="pending_versions"
            )
        ]

    if TYPE_CHECKING:
        zone_id: int

    def __str__(self) -> str:
        return f"{self.zone}, {self.serial}"


class StagedZone(models.Model):
    """A saved change that may have changed a zone: written in the transaction of the change itself.

    Rows are only ever added and, once built, deleted; many of them are one build.
    """

    zone_id = models.BigIntegerField(help_text="0: every zone (which nodes answer has changed, say).")
    apex = models.CharField(
        max_length=253, blank=True, help_text="Of a zone that was saved or deleted itself: it may have to go."
    )
    force = models.BooleanField(default=False, help_text="Publish even what takes many names away.")
    staged_at = models.DateTimeField()

    class Meta:
        verbose_name = "staged zone"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"zone {self.zone_id or 'of any name'}"
