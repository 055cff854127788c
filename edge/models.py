"""What has been staged for the edges, and what has been published to them."""

from django.db import models


class Kind(models.TextChoices):
    """The kinds of documents in the keyspace."""

    DOMAIN = "domain", "domain"
    NODE = "node", "node"


class Outbox(models.Model):
    """One saved change that is not yet in Redis: written in the transaction of the change itself.

    Several rows of one object are one publication. `object_id` is the primary key of the object
    that the document is made from, not its Redis key: so a renamed or deleted object is found again.
    """

    kind = models.CharField(max_length=16, choices=Kind.choices)
    object_id = models.BigIntegerField()
    staged_at = models.DateTimeField()
    force = models.BooleanField(default=False, help_text="Publish even what is published already.")
    error = models.TextField(blank=True, help_text="Why this row could not be published, if so.")
    attempts = models.PositiveIntegerField(default=0, help_text="How often that has been tried.")
    retry_at = models.DateTimeField(
        null=True, blank=True, help_text="When a row that failed is tried again; empty: at once."
    )

    class Meta:
        ordering = ["pk"]
        verbose_name = "outbox row"
        indexes = [models.Index(fields=["kind", "object_id"], name="outbox_by_object")]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"


class Publication(models.Model):
    """The newest revision of one document, as it was written to Redis (or withdrawn from it).

    A withdrawn one is kept: its tombstone is written again when Redis has lost its own.
    """

    kind = models.CharField(max_length=16, choices=Kind.choices)
    key = models.CharField(max_length=253, help_text="The name inside the kind: a host, a node.")
    object_id = models.BigIntegerField()
    epoch = models.BigIntegerField()
    rev = models.BigIntegerField("revision", unique=True)
    live = models.BooleanField(default=True, help_text="False: withdrawn from the edges.")
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the document's body.")
    saved_at = models.DateTimeField(help_text="When the change was saved.")
    published_at = models.DateTimeField(help_text="When it was in Redis (control plane's clock).")
    stream_id = models.CharField(max_length=40, help_text="Its entry in cdn:changes (Redis's clock).")
    applied_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the last serving edge had applied it (control plane's clock).",
    )
    applied_by = models.PositiveIntegerField(default=0, help_text="How many edges that were.")

    class Meta:
        ordering = ["-rev"]
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="one_publication_per_key")]
        indexes = [
            models.Index(fields=["kind", "object_id"], name="publication_by_object"),
            models.Index(
                fields=["rev"],
                condition=models.Q(applied_at__isnull=True),
                name="unsettled_publications",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}, revision {self.rev}"


class Keyspace(models.Model):
    """The counters of the keyspace, and what its last comparison found: one row.

    Revisions only grow, also from one epoch to the next; epochs only grow.
    """

    epoch = models.BigIntegerField(help_text="Unix time at which this line of revisions began.")
    revision = models.BigIntegerField(default=0, help_text="The newest revision given out.")
    compared_at = models.DateTimeField(null=True, blank=True, help_text="When Redis was last compared.")
    drift = models.PositiveIntegerField(default=0, help_text="Documents that differed then.")
    drift_error = models.TextField(blank=True, help_text="Why a repair was refused, if so.")

    class Meta:
        verbose_name_plural = "keyspace"

    def __str__(self) -> str:
        return f"epoch {self.epoch}, revision {self.revision}"
