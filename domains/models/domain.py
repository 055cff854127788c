"""Domains, the host names they answer to, and their origins.

Invariants: a host name belongs to one domain at most (`HostName.name` is unique and holds primary
names, aliases and wildcards alike); every stored name is in the form of `domains.hostnames`.
"""

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction

from domains import limits
from domains.hostnames import display_hostname, normalize_hostname
from domains.normalized import NormalizedModel
from domains.validators import (
    normalize_authorities,
    normalize_host_header,
    normalize_origin_host,
    validate_header_host,
    validate_origin_host,
    validate_server_name,
)

ACCESS_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: people read these aloud


def generate_access_name() -> str:
    """A DNS label of 12 characters that says nothing about the domain behind it."""
    return "".join(secrets.choice(ACCESS_ALPHABET) for _ in range(12))


def normalize_claim(text: str) -> str:
    """A name that a domain may claim: a host name or a wildcard."""
    return normalize_hostname(text, wildcard=True)


class Domain(NormalizedModel):
    """A site: its names, its origins and how its answers are cached."""

    class TlsPolicy(models.TextChoices):
        INTERMEDIATE = "intermediate", "intermediate: TLS 1.2 and 1.3"
        MODERN = "modern", "modern: TLS 1.3 only"

    class ClientAuth(models.TextChoices):
        OFF = "off", "not asked for"
        OPTIONAL = "optional", "asked for"
        REQUIRED = "required", "required"

    FORMS = {"host": normalize_claim, "client_ca": normalize_authorities}

    host = models.CharField(
        "host name",
        max_length=253,
        unique=True,
        help_text="www.example.com, or *.example.com for every name below it. Unicode is fine.",
        error_messages={"unique": "Another domain has this host name already."},
    )
    enabled = models.BooleanField(
        default=True, help_text="A disabled domain is withdrawn from the edges: they answer 404."
    )
    access_name = models.CharField(
        max_length=63,
        unique=True,
        default=generate_access_name,
        editable=False,
        help_text="The label that clients are pointed at by CNAME.",
    )
    default_ttl = models.PositiveIntegerField(
        "default TTL",
        default=300,
        validators=[MaxValueValidator(limits.TTL)],
        help_text=(
            "Seconds an answer is fresh when the origin does not say. 0: not cached then. "
            "Not for requests with a cookie, unless a rule has an edge TTL or says “without cookies”."
        ),
    )
    max_ttl = models.PositiveIntegerField(
        "maximum TTL",
        default=31_536_000,
        validators=[MaxValueValidator(limits.TTL)],
        help_text="Seconds; no answer stays fresh longer, whatever the origin says.",
    )
    negative_ttl = models.PositiveIntegerField(
        "negative TTL",
        default=10,
        validators=[MaxValueValidator(86_400)],
        help_text="Seconds a 404 or 410 is fresh when the origin does not say. 0: not cached then.",
    )
    stale_while_revalidate = models.PositiveIntegerField(
        "stale while fetching anew",
        default=10,
        validators=[MaxValueValidator(limits.STALE)],
        help_text="Seconds for which an old answer is still served while one request fetches a new one.",
    )
    stale_if_error = models.PositiveIntegerField(
        "stale while the origin fails",
        default=86_400,
        validators=[MaxValueValidator(limits.STALE)],
        help_text="Seconds for which an old answer is still served while the origin fails.",
    )
    guard = models.BooleanField(
        "guard against cache poisoning",
        default=True,
        help_text=(
            "Headers with which a client could change an answer that others get do not reach the origin, "
            "and an answer whose type contradicts its path (HTML for /account/x.css) is not kept."
        ),
    )
    tls = models.BooleanField(
        "serve HTTPS",
        default=False,
        help_text=(
            "A certificate for all its names is requested at once and renewed by itself. "
            "Until it is there, edges answer https with a certificate that no browser trusts."
        ),
    )
    https_only = models.BooleanField(
        "HTTPS only",
        default=False,
        help_text="Requests over http are redirected (308), once the certificate is there.",
    )
    hsts_max_age = models.PositiveIntegerField(
        "insist on HTTPS (HSTS)",
        default=0,
        validators=[MaxValueValidator(limits.HSTS)],
        help_text=(
            "Seconds for which browsers refuse to visit the site without a valid certificate. 0: they are "
            "told nothing. Begin with 300; 31536000 is a year. It cannot be taken back from those that "
            "were told."
        ),
    )
    hsts_subdomains = models.BooleanField(
        "for all names below it too",
        default=False,
        help_text="Also for those that other servers answer: each of them then needs a certificate.",
    )
    tls_policy = models.CharField(
        "TLS policy",
        max_length=12,
        choices=TlsPolicy.choices,
        default=TlsPolicy.INTERMEDIATE,
        help_text="Modern shuts out browsers of before 2018 or so.",
    )
    client_auth = models.CharField(
        "client certificates",
        max_length=8,
        choices=ClientAuth.choices,
        default=ClientAuth.OFF,
        help_text="Who has none is refused (403) where they are required. Answers are not cached then.",
    )
    client_ca = models.TextField(
        "authorities of client certificates",
        blank=True,
        help_text="Certificates (PEM) of those whose client certificates are accepted.",
    )
    notes = models.TextField(blank=True, help_text="For your team; the edges never see it.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["host"]

    def __str__(self) -> str:
        return display_hostname(self.host)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and claim the primary name in the same transaction."""
        with transaction.atomic():
            super().save(*args, **kwargs)
            self._claim_primary_name()

    def clean(self) -> None:
        claim = HostName.objects.claims_of_others([self.host], domain_id=self.pk).first()
        if claim:
            raise ValidationError({"host": claimed_by(claim)})
        if self.default_ttl is not None and self.max_ttl is not None and self.default_ttl > self.max_ttl:
            raise ValidationError({"default_ttl": "This is longer than the maximum TTL, which would cut it."})
        if errors := self._tls_errors():
            raise ValidationError(errors)

    def _tls_errors(self) -> dict[str, str]:
        errors: dict[str, str] = {}
        if not self.tls:
            needs = "This needs HTTPS: turn on “serve HTTPS”, or turn this off."
            wants = {
                "https_only": self.https_only,
                "hsts_max_age": self.hsts_max_age,
                "client_auth": self.client_auth != self.ClientAuth.OFF,
            }
            errors = {field: needs for field, wanted in wants.items() if wanted}
        if self.hsts_subdomains and not self.hsts_max_age:
            errors["hsts_subdomains"] = "Say for how long browsers are to insist on HTTPS, or turn this off."
        if self.client_auth != self.ClientAuth.OFF and not self.client_ca:
            errors["client_ca"] = "Paste the certificates of the authorities whose clients are accepted."
        return errors

    def _claim_primary_name(self) -> None:
        mine = HostName.objects.filter(domain=self)
        if mine.filter(name=self.host, primary=True).exists():
            return
        # An alias that became the primary name is one claim, not two.
        mine.filter(models.Q(primary=True) | models.Q(name=self.host)).delete()
        HostName.objects.create(domain=self, name=self.host, primary=True)


class HostNameQuerySet(models.QuerySet["HostName"]):
    def claims_of_others(self, names: Iterable[str], *, domain_id: int | None) -> "HostNameQuerySet":
        """The claims of other domains on any of these (normalized) names."""
        claims = self.filter(name__in=list(names)).select_related("domain")
        return claims.exclude(domain_id=domain_id) if domain_id else claims


def claimed_by(claim: "HostName") -> str:
    """The sentence for a name that another domain has."""
    if claim.primary:
        return f"Another domain has the host name {claim} already."
    return f"{claim} is an alias of the domain {claim.domain} already."


class HostName(NormalizedModel):
    """The claim of a domain on one host name. The primary one follows `Domain.host`."""

    FORMS = {"name": normalize_claim}

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="hostnames")
    name = models.CharField(
        "host name",
        max_length=253,
        unique=True,
        help_text="Another name of the same site; *.example.com is allowed.",
        error_messages={"unique": "This domain has this host name already."},
    )
    primary = models.BooleanField(default=False, editable=False)

    objects = HostNameQuerySet.as_manager()

    class Meta:
        verbose_name = "host name"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["domain"], condition=models.Q(primary=True), name="one_primary_name"
            )
        ]

    if TYPE_CHECKING:
        domain_id: int

    def __str__(self) -> str:
        return display_hostname(self.name)

    def clean(self) -> None:
        claim = HostName.objects.claims_of_others([self.name], domain_id=self.domain_id).first()
        if claim:
            raise ValidationError({"name": claimed_by(claim)})
        others = HostName.objects.filter(domain_id=self.domain_id, primary=False).exclude(pk=self.pk)
        if self.domain_id and not self.primary and others.count() >= limits.ALIASES:
            raise ValidationError({"name": f"A domain has at most {limits.ALIASES:,} aliases."})


class Origin(NormalizedModel):
    """A server that has the content of a domain."""

    class Scheme(models.TextChoices):
        HTTP = "http", "http"
        HTTPS = "https", "https"

    FORMS = {
        "host": normalize_origin_host,
        "host_header": normalize_host_header,
        "sni": normalize_hostname,
    }

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="origins")
    scheme = models.CharField(max_length=5, choices=Scheme.choices, default=Scheme.HTTPS)
    host = models.CharField(
        max_length=253,
        validators=[validate_origin_host],
        help_text="A host name or an IP address, without scheme and port.",
    )
    port = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(65_535)],
        help_text="Empty: 80 for http, 443 for https.",
    )
    host_header = models.CharField(
        "Host header",
        max_length=259,
        blank=True,
        validators=[validate_header_host],
        help_text="What the origin is asked for. Empty: the name that the client asked for.",
    )
    sni = models.CharField(
        "TLS server name",
        max_length=253,
        blank=True,
        validators=[validate_server_name],
        help_text="Empty: the Host header where it is set, else the origin's host.",
    )
    verify = models.BooleanField(
        "verify certificate", default=True, help_text="Refuse an https origin with a bad certificate."
    )
    weight = models.PositiveIntegerField(
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(1_000)],
        help_text="Its share of the requests against the domain's other origins.",
    )
    backup = models.BooleanField(default=False, help_text="Asked only when every other origin has failed.")
    connect_timeout = models.PositiveIntegerField(
        "connect timeout (ms)",
        default=1_000,
        validators=[MinValueValidator(10), MaxValueValidator(60_000)],
    )
    read_timeout = models.PositiveIntegerField(
        "read timeout (ms)",
        default=15_000,
        validators=[MinValueValidator(10), MaxValueValidator(3_600_000)],
        help_text="The longest silence: until the first byte of the answer, and between two reads.",
    )

    class Meta:
        ordering = ["backup", "pk"]

    if TYPE_CHECKING:
        domain_id: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.effective_port}"

    def clean(self) -> None:
        if self.sni and self.scheme == self.Scheme.HTTP:
            raise ValidationError({"sni": "A TLS server name needs the scheme https."})
        others = Origin.objects.filter(domain_id=self.domain_id).exclude(pk=self.pk)
        if self.domain_id and others.count() >= limits.ORIGINS:
            raise ValidationError(f"A domain has at most {limits.ORIGINS} origins.")

    @property
    def effective_port(self) -> int:
        """The TCP port: the given one, else the scheme's own."""
        return self.port or (443 if self.scheme == self.Scheme.HTTPS else 80)
