"""Certificate authorities that speak ACME (RFC 8555), and our accounts there."""

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models

from domains import limits
from domains.normalized import NormalizedModel
from domains.validators import normalize_authorities
from nodes.models import label_validator

https_url = URLValidator(schemes=["https"], message="An ACME directory is an https address.")


class Authority(NormalizedModel):
    """A certificate authority, as the operator wants it used; the first enabled one is asked first."""

    FORMS = {"trust": normalize_authorities}

    name = models.CharField(
        max_length=63, unique=True, validators=[label_validator], help_text="For example letsencrypt."
    )
    directory_url = models.CharField(
        "directory",
        max_length=500,
        validators=[https_url],
        help_text="The address of its ACME directory: https://acme-v02.api.letsencrypt.org/directory",
    )
    staging_url = models.CharField(
        "staging directory",
        max_length=500,
        blank=True,
        validators=[https_url],
        help_text="That of its staging environment, where it has one: asked first after a failure.",
    )
    contact = models.CharField(
        max_length=500,
        blank=True,
        help_text="Mail addresses for its notices, separated by spaces. Some authorities want one.",
    )
    terms_agreed = models.BooleanField(
        "terms of service agreed",
        default=False,
        help_text="That you have read and agree to its terms of service; it takes no orders without.",
    )
    eab_kid = models.CharField(
        "key ID of the external account",
        max_length=500,
        blank=True,
        help_text="For authorities that bind accounts to a customer (external account binding).",
    )
    eab_key = models.TextField(blank=True, editable=False, help_text="Sealed.")
    trust = models.TextField(
        "trusted roots",
        blank=True,
        help_text="Root certificates (PEM) that its own server is verified by. Empty: those of the system.",
    )
    profile = models.CharField(
        max_length=100, blank=True, help_text="The certificate profile to order, where it has several."
    )
    max_names = models.PositiveIntegerField(
        "names in a certificate",
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(limits.CERTIFICATE_NAMES)],
        help_text="How many names it takes in one certificate.",
    )
    position = models.PositiveIntegerField(
        default=0, help_text="The lowest is asked first; the next where that one keeps failing."
    )
    enabled = models.BooleanField(default=True)
    # What has been learnt of it; never in a form.
    failures = models.PositiveIntegerField(default=0, editable=False)
    open_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="It keeps failing: not asked before this."
    )
    retry_after = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="It has asked us not to come before this."
    )
    problem = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["position", "name"]
        verbose_name_plural = "authorities"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.staging_url and self.staging_url == self.directory_url:
            raise ValidationError({"staging_url": "This is the directory itself, not a staging one."})


class AuthorityAccount(models.Model):
    """Our account at one environment of an authority."""

    authority = models.ForeignKey(Authority, on_delete=models.CASCADE, related_name="accounts")
    staging = models.BooleanField(default=False)
    url = models.CharField(max_length=500, blank=True, help_text="Empty: not registered yet.")
    key = models.TextField(editable=False, help_text="Sealed.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["authority", "staging"], name="one_account_per_environment")
        ]

    if TYPE_CHECKING:
        authority_id: int

    def __str__(self) -> str:
        return f"{self.authority} ({'staging' if self.staging else 'production'})"
