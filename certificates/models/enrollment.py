"""What certificate a domain is to have, and how it stands with that."""

from typing import TYPE_CHECKING

from django.db import models

from certificates.models.authority import Authority
from domains.models import Domain


class KeyType(models.TextChoices):
    ECDSA_P256 = "ecdsa-p256", "ECDSA P-256"
    ECDSA_P384 = "ecdsa-p384", "ECDSA P-384"
    RSA_2048 = "rsa-2048", "RSA 2048"
    RSA_3072 = "rsa-3072", "RSA 3072"
    RSA_4096 = "rsa-4096", "RSA 4096"


class Enrollment(models.Model):
    """A domain's standing order for certificates: made when HTTPS is turned on for it."""

    class Source(models.TextChoices):
        ACME = "acme", "issued and renewed by an authority"
        UPLOAD = "upload", "uploaded"

    class Challenge(models.TextChoices):
        AUTO = "auto", "automatic"
        HTTP_01 = "http-01", "HTTP-01: by the edges"
        DNS_01 = "dns-01", "DNS-01: by a zone of ours"

    domain = models.OneToOneField(Domain, on_delete=models.CASCADE, related_name="enrollment")
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.ACME)
    authority = models.ForeignKey(
        Authority,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="enrollments",
        help_text="Empty: the enabled authorities, in their order.",
    )
    challenge = models.CharField(
        max_length=8,
        choices=Challenge.choices,
        default=Challenge.AUTO,
        help_text=(
            "How the control of the names is proved. Automatic: by DNS for wildcards and names inside our "
            "zones, else by the edges."
        ),
    )
    key_type = models.CharField(max_length=10, choices=KeyType.choices, default=KeyType.ECDSA_P256)
    # What is served or tried cannot be deleted, except with its domain.
    current = models.ForeignKey(
        "certificates.Certificate",
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    candidate = models.ForeignKey(
        "certificates.Certificate",
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    candidate_node = models.CharField(
        max_length=63, blank=True, editable=False, help_text="The edge that tries the candidate."
    )
    deployment_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its deployment was last brought forward."
    )
    previous = models.ForeignKey(
        "certificates.Certificate",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    issued_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the first real certificate came."
    )
    requested_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When somebody asked for a new one, if so."
    )
    next_attempt_at = models.DateTimeField(
        "looked at again at",
        null=True,
        blank=True,
        editable=False,
        help_text="Nothing is ordered before; empty: at once.",
    )
    attempts = models.PositiveIntegerField(default=0, editable=False, help_text="Failures in a row.")
    first_failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    problem = models.TextField(blank=True, editable=False)
    renew_at = models.DateTimeField("renewal planned for", null=True, blank=True, editable=False)
    ari_start = models.DateTimeField("renewal window (ARI) from", null=True, blank=True, editable=False)
    ari_end = models.DateTimeField("renewal window (ARI) until", null=True, blank=True, editable=False)
    ari_explanation = models.CharField(
        "renewal window (ARI) explained at", max_length=500, blank=True, editable=False
    )
    ari_check_at = models.DateTimeField(
        "renewal window (ARI) asked for again at", null=True, blank=True, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["domain__host"]
        indexes = [models.Index(fields=["next_attempt_at"], name="enrollments_by_attempt")]

    if TYPE_CHECKING:
        domain_id: int
        authority_id: int | None
        current_id: int | None
        candidate_id: int | None
        previous_id: int | None

    def __str__(self) -> str:
        return str(self.domain)
