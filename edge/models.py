"""What has been staged for the edges, what has been published to them, and what has been purged."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from domains.hostnames import display_hostname
from domains.models import Domain


class Kind(models.TextChoices):
    """The kinds of documents in the keyspace, in the order in which they are brought back.

    Purges come before their domains: a domain without them would serve what has been purged. So do
    certificates: a domain without its own could not be served over HTTPS.
    """

    NODE = "node", "node"
    PURGE = "purge", "purge"
    TICKETS = "tickets", "session ticket keys"
    CHALLENGE = "challenge", "challenge"
    CERTIFICATE = "certificate", "certificate"
    DOMAIN = "domain", "domain"


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
    since_rev = models.BigIntegerField(
        default=0, help_text="The revision with which this object came under this key; live ever since."
    )
    alias_revs = models.JSONField(
        default=dict, help_text="The aliases of a domain's document → the revision that brought them."
    )
    answered = models.BooleanField(
        default=False, help_text="DNS gives its names to clients, so they leave there first."
    )
    leaving = models.JSONField(
        default=dict, help_text="Names that are held for clients of old answers → Unix time of their end."
    )
    held_since = models.DateTimeField(null=True, blank=True, help_text="When the first of them ended.")
    leave_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last answer of DNS with them has expired, once known."
    )

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
            models.Index(
                fields=["held_since"],
                condition=models.Q(held_since__isnull=False),
                name="held_publications",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}, revision {self.rev}"

    @property
    def held(self) -> bool:
        """Whether it is on the edges only for clients of old answers of DNS."""
        return self.live and self.key in self.leaving


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


class Purge(models.Model):
    """One request to purge something of one domain: kept until it can matter no more.

    It has been published under (`epoch`, `rev`), which an edge has reached when it has the purge.
    Purges of one domain are numbered in the order in which they were committed.
    """

    class Scope(models.TextChoices):
        URL = "url", "URLs"
        PREFIX = "prefix", "prefixes"
        TAG = "tag", "tags"
        ALL = "all", "everything"
        MIXED = "mixed", "several kinds"

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        SENT = "sent", "on its way"
        DONE = "done", "done"
        VOID = "void", "void"

    domain = models.ForeignKey(Domain, on_delete=models.SET_NULL, null=True, related_name="purges")
    host = models.CharField(max_length=253, help_text="The domain's name when this was asked for.")
    scope = models.CharField("what", max_length=8, choices=Scope.choices)
    soft = models.BooleanField(
        default=False, help_text="What is purged may be served once more while it is fetched anew."
    )
    targets = models.PositiveIntegerField("number", help_text="How many URLs, prefixes and tags.")
    summary = models.CharField(max_length=200, help_text="The first of them, for people.")
    widened = models.CharField(
        max_length=500, blank=True, help_text="Why more is purged than was asked for, where it is so."
    )
    note = models.CharField(max_length=200, blank=True, help_text="Why, for your team.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: a command.",
    )
    created_at = models.DateTimeField("requested at")
    epoch = models.BigIntegerField(null=True, blank=True)
    rev = models.BigIntegerField("revision", null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    stream_id = models.CharField(max_length=40, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    done_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last serving edge had it (control plane's clock)."
    )
    done_by = models.PositiveIntegerField(default=0, help_text="How many edges that were.")

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["domain", "id"], condition=models.Q(state="queued"), name="queued_purges"),
            models.Index(fields=["rev"], condition=models.Q(state="sent"), name="unsettled_purges"),
            models.Index(fields=["created_at"], name="purges_by_time"),
        ]

    if TYPE_CHECKING:
        domain_id: int | None

    def __str__(self) -> str:
        return f"{display_hostname(self.host)}: {self.summary}"


class PurgeTarget(models.Model):
    """One URL, prefix or tag of a purge, normalized."""

    purge = models.ForeignKey(Purge, on_delete=models.CASCADE, related_name="rows")
    scope = models.CharField(max_length=8, choices=Purge.Scope.choices)
    name = models.CharField(max_length=2_000, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name or "everything"


class PurgeRecord(models.Model):
    """One line of a domain's purge document as it is published: see `edge.purges.table`."""

    # A domain may be deleted without looking here: its records age away, and its key never comes back.
    domain = models.ForeignKey(
        Domain, on_delete=models.DO_NOTHING, db_constraint=False, related_name="purge_records"
    )
    scope = models.CharField(max_length=8, choices=Purge.Scope.choices)
    name = models.CharField(max_length=2_000, blank=True)
    hard = models.BigIntegerField(default=0)
    soft = models.BigIntegerField(default=0)
    purged_at = models.DateTimeField(help_text="When the last serving edge had it, as far as is known.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain", "scope", "name"], name="one_purge_record_per_name")
        ]
        indexes = [models.Index(fields=["purged_at"], name="purge_records_by_age")]

    if TYPE_CHECKING:
        domain_id: int

    def __str__(self) -> str:
        return f"{self.scope} {self.name}"


class PurgeAllowance(models.Model):
    """How much of a domain may be purged at once: a bucket that fills by itself."""

    domain = models.OneToOneField(
        Domain, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="+"
    )
    room = models.FloatField(help_text="Targets that it had room for, at that time.")
    at = models.DateTimeField()

    if TYPE_CHECKING:
        domain_id: int

    def __str__(self) -> str:
        return f"room for {self.room:.0f}"
