"""ACME orders and their authorizations (RFC 8555 sections 7.1.3 and 7.1.4): each step is a stored state."""

from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from certificates.models.authority import Authority
from certificates.models.certificate import Certificate
from certificates.models.enrollment import Enrollment


class Order(models.Model):
    """One order; a domain has at most one that has not ended."""

    class State(models.TextChoices):
        NEW = "new", "new"
        ORDERING = "ordering", "being placed"
        ORDERED = "ordered", "placed"
        PUBLISHING = "publishing", "showing the challenges"
        ANSWERING = "answering", "answering the challenges"
        VALIDATING = "validating", "being validated"
        READY = "ready", "ready"
        FINALIZING = "finalizing", "being issued"
        DOWNLOADING = "downloading", "being fetched"
        DEPLOYING = "deploying", "being handed on"
        ISSUED = "issued", "issued"
        FAILED = "failed", "failed"

    enrollment = models.ForeignKey(Enrollment, on_delete=models.CASCADE, related_name="orders")
    authority = models.ForeignKey(Authority, on_delete=models.CASCADE, related_name="orders")
    staging = models.BooleanField(default=False)
    names = models.JSONField(default=list)
    state = models.CharField(max_length=12, choices=State.choices, default=State.NEW)
    url = models.CharField(max_length=500, blank=True)
    finalize_url = models.CharField(max_length=500, blank=True)
    certificate_url = models.CharField(max_length=500, blank=True)
    key = models.TextField(blank=True, editable=False, help_text="Sealed.")
    csr = models.TextField(blank=True, help_text="The certificate signing request, PEM.")
    replaces = models.CharField(max_length=200, blank=True, help_text="RFC 9773 section 5.")
    expires_at = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(
        default=0, help_text="Grows with each worker that takes the order: an older one's writes are void."
    )
    leased_until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is to be looked at again.")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(
        null=True, blank=True, help_text="When its end was reckoned with in what happens next."
    )
    problem = models.JSONField(null=True, blank=True, help_text="What the authority said (RFC 9457).")
    sentence = models.TextField(blank=True, help_text="Why it failed, or what it waits for.")
    certificate = models.ForeignKey(
        Certificate, on_delete=models.SET_NULL, null=True, blank=True, related_name="orders"
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment"],
                condition=models.Q(ended_at__isnull=True),
                name="one_open_order_per_enrollment",
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(ended_at__isnull=True), name="open_orders_by_due"
            ),
            models.Index(fields=["ended_at"], name="orders_by_end"),
        ]

    if TYPE_CHECKING:
        enrollment_id: int
        authority_id: int
        certificate_id: int | None

    def __str__(self) -> str:
        return f"order {self.pk} for {', '.join(self.names[:3])}"


class Authorization(models.Model):
    """The proof of control over one name of an order."""

    class State(models.TextChoices):
        PENDING = "pending", "pending"
        VALID = "valid", "valid"
        INVALID = "invalid", "invalid"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="authorizations")
    name = models.CharField(max_length=253, help_text="Without the star of a wildcard.")
    wildcard = models.BooleanField(default=False)
    url = models.CharField(max_length=500)
    challenge_type = models.CharField(max_length=8, choices=Enrollment.Challenge.choices, blank=True)
    challenge_url = models.CharField(max_length=500, blank=True)
    token = models.CharField(max_length=200, blank=True)
    value = models.TextField(
        blank=True, help_text="What is shown (RFC 8555 sections 8.3 and 8.4); empty: nothing any more."
    )
    dns_name = models.CharField(max_length=253, blank=True, help_text="Where the TXT record stands.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    published_rev = models.BigIntegerField(
        null=True, blank=True, help_text="The revision under which the edges were given the answer."
    )

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["order", "url"], name="one_row_per_authorization")]
        indexes = [models.Index(fields=["order"], condition=~models.Q(value=""), name="authorizations_shown")]

    if TYPE_CHECKING:
        order_id: int

    def __str__(self) -> str:
        return f"*.{self.name}" if self.wildcard else self.name
