"""Certificates: issued, uploaded, or made here for the time until there is a real one."""

from typing import TYPE_CHECKING

from django.db import models

from certificates.models.authority import Authority


class Certificate(models.Model):
    """One certificate with its chain and its sealed key: never changed, only replaced."""

    class Source(models.TextChoices):
        ACME = "acme", "issued"
        UPLOAD = "upload", "uploaded"
        PLACEHOLDER = "placeholder", "placeholder"

    enrollment = models.ForeignKey(
        "certificates.Enrollment",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="certificates",
        help_text="Empty: used by several domains.",
    )
    source = models.CharField(max_length=12, choices=Source.choices)
    chain = models.TextField(help_text="PEM, the certificate itself first, without the root.")
    key = models.TextField(editable=False, help_text="Sealed for the edges.")
    key_type = models.CharField("key", max_length=20)
    names = models.JSONField(default=list, help_text="Its DNS names (SAN), lower-case A-labels.")
    not_before = models.DateTimeField("valid from")
    not_after = models.DateTimeField("valid until")
    fingerprint = models.CharField(max_length=64, unique=True, help_text="SHA-256 of its DER, hex.")
    serial = models.CharField("serial number", max_length=64)
    issuer = models.CharField(max_length=500, blank=True)
    ari_id = models.CharField(max_length=200, blank=True, help_text="RFC 9773 section 4.1.")
    authority = models.ForeignKey(
        Authority, on_delete=models.SET_NULL, null=True, blank=True, related_name="certificates"
    )
    staging = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation_reason = models.CharField(max_length=32, blank=True)
    served = models.JSONField(
        default=dict, help_text="Node → {at: Unix time, ok, why}: what a handshake there has shown."
    )

    class Meta:
        ordering = ["-not_after", "-pk"]
        indexes = [models.Index(fields=["not_after"], name="certificates_by_end")]

    if TYPE_CHECKING:
        enrollment_id: int | None
        authority_id: int | None

    def __str__(self) -> str:
        names = ", ".join(self.names[:3])
        return names + (f" and {len(self.names) - 3:,} more" if len(self.names) > 3 else "")
