"""Zones and what operators write into them."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction

from dnszones.names import full_name, normalize_apex, normalize_owner
from dnszones.records import normalize_value
from dnszones.zonedata import APEX
from domains.hostnames import display_hostname, normalize_hostname
from domains.normalized import NormalizedModel

#: Seconds that an answer may be kept: below 5 nobody keeps it, above a week nobody should.
LEAST_TTL, MOST_TTL = 5, 604_800
TTL_RANGE = [MinValueValidator(LEAST_TTL), MaxValueValidator(MOST_TTL)]
#: Secondaries answer for so long without the primary: two weeks at least, so that nothing but a long
#: absence takes a zone off the air.
LEAST_EXPIRE = 14 * 86_400


#: Columns that only builds write (dnszones/publishing.py).
NOTED_BY_BUILDS = {"serial", "built_at", "refusal", "warnings"}


def normalize_mailbox(text: str) -> str:
    """The mail address of a zone's keeper, as it is typed: `hostmaster@example.com`."""
    local, at, host = text.strip().rpartition("@")
    if not at or not local or any(c.isspace() or c in '"\\@' or not c.isascii() for c in local):
        raise ValidationError(f"“{text}” is not a mail address; one looks like hostmaster@example.com.")
    if len(local) > 63:
        raise ValidationError("The part before the @ has at most 63 characters (it is one DNS label).")
    return f"{local}@{normalize_hostname(host)}"


class ZoneQuerySet(models.QuerySet["Zone"]):
    def published(self) -> "ZoneQuerySet":
        """The zones that secondaries get."""
        return self.filter(enabled=True)


class Zone(NormalizedModel):
    """A zone that Cirrus is the authority of."""

    FORMS = {"apex": normalize_apex, "mname": normalize_hostname, "rname": normalize_mailbox}

    apex = models.CharField(
        max_length=253,
        unique=True,
        help_text="The name of the zone: cdn.example.com. Unicode is fine.",
        error_messages={"unique": "There is a zone with this name already."},
    )
    enabled = models.BooleanField(
        default=True,
        help_text="A disabled zone is withdrawn from the secondaries: they stop answering for it.",
    )
    serves_sites = models.BooleanField(
        "gives the access names",
        default=False,
        help_text=(
            "Each domain gets a name of its own in this zone, to which its owner points a CNAME. "
            "One zone does."
        ),
    )
    default_ttl = models.PositiveIntegerField(
        "default TTL",
        default=60,
        validators=TTL_RANGE,
        help_text="Seconds that resolvers keep an answer; records and domains may have their own.",
    )
    mname = models.CharField(
        "primary name server",
        max_length=253,
        blank=True,
        help_text="As it stands in the SOA record. Empty: the first of the name servers.",
    )
    rname = models.CharField(
        "mail address",
        max_length=253,
        blank=True,
        help_text="Of the zone's keeper, as it stands in the SOA record. Empty: hostmaster@ the zone.",
    )
    refresh = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(30), MaxValueValidator(86_400)],
        help_text="Seconds after which a secondary asks by itself whether there is something new.",
    )
    retry = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(10), MaxValueValidator(86_400)],
        help_text="Seconds until it asks again, where the primary did not answer.",
    )
    expire = models.PositiveIntegerField(
        default=4 * 604_800,
        validators=[MinValueValidator(LEAST_EXPIRE), MaxValueValidator(31_536_000)],
        help_text="Seconds that a secondary goes on answering without the primary: 14 days or more.",
    )
    minimum = models.PositiveIntegerField(
        "negative TTL",
        default=60,
        validators=[MinValueValidator(LEAST_TTL), MaxValueValidator(86_400)],
        help_text="Seconds that resolvers keep “there is no such name” (RFC 2308).",
    )
    serial = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Of the newest version that was published (RFC 1982)."
    )
    built_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="What was saved until then is in the newest version.",
    )
    refusal = models.TextField(
        blank=True, editable=False, help_text="Why the newest build was not published, where it was not."
    )
    warnings = models.JSONField(
        default=list, blank=True, editable=False, help_text="What the builder left out, and why."
    )
    notes = models.TextField(blank=True, help_text="For your team.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ZoneQuerySet.as_manager()

    class Meta:
        ordering = ["apex"]
        constraints = [
            models.UniqueConstraint(
                fields=["serves_sites"],
                condition=models.Q(serves_sites=True),
                name="one_zone_gives_the_access_names",
                violation_error_message="Another zone gives the access names; take it from there first.",
            )
        ]

    def __str__(self) -> str:
        return display_hostname(self.apex)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save what operators edit; what builds note is never put back to an older state."""
        if not self._state.adding and kwargs.get("update_fields") is None:
            mine = {field.attname for field in self._meta.concrete_fields if not field.primary_key}
            kwargs["update_fields"] = mine - NOTED_BY_BUILDS
        super().save(*args, **kwargs)

    def clean(self) -> None:
        if self.pk and Zone.objects.filter(pk=self.pk).exclude(apex=self.apex).exists():
            raise ValidationError({"apex": "A zone keeps its name. Add a new zone instead."})
        if self.retry is not None and self.refresh is not None and self.retry > self.refresh:
            raise ValidationError({"retry": "This is longer than the time between two questions."})


class NameServer(NormalizedModel):
    """One of the names in a zone's NS records, with its addresses where it lies inside the zone."""

    FORMS = {"name": normalize_hostname}

    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="nameservers")
    name = models.CharField(max_length=253, help_text="The whole name: ns1.example.com.")
    ipv4 = models.GenericIPAddressField(
        "IPv4 address",
        protocol="IPv4",
        null=True,
        blank=True,
        help_text="Only for a name inside one of your zones (glue).",
    )
    ipv6 = models.GenericIPAddressField("IPv6 address", protocol="IPv6", null=True, blank=True)

    class Meta:
        verbose_name = "name server"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["zone", "name"],
                name="one_name_server_per_name",
                violation_error_message="The zone has this name server already.",
            )
        ]

    if TYPE_CHECKING:
        zone_id: int

    def __str__(self) -> str:
        return display_hostname(self.name)

    def clean(self) -> None:
        self.ipv4, self.ipv6 = self.ipv4 or None, self.ipv6 or None
        zone = getattr(self, "zone", None)  # of a zone that is being added: not saved, but named
        inside = zone and zone.apex and f".{self.name}".endswith(f".{zone.apex}")
        if inside and not (self.ipv4 or self.ipv6):
            raise ValidationError(
                {"ipv4": f"{self} lies inside the zone, so nobody can find it without an address of it here."}
            )


class Record(models.Model):
    """A record that an operator has written. Its name is stored relative to the zone."""

    class Type(models.TextChoices):
        A = "A", "A"
        AAAA = "AAAA", "AAAA"
        CNAME = "CNAME", "CNAME"
        TXT = "TXT", "TXT"
        MX = "MX", "MX"
        CAA = "CAA", "CAA"

    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="records")
    name = models.CharField(
        max_length=253, default=APEX, help_text="www, *.shop, or @ for the zone's own name."
    )
    type = models.CharField(max_length=8, choices=Type.choices, default=Type.A)
    ttl = models.PositiveIntegerField(
        "TTL",
        null=True,
        blank=True,
        validators=TTL_RANGE,
        help_text="Seconds. Empty: the zone's. Records of one name and type share the lowest of theirs.",
    )
    value = models.TextField(
        help_text=(
            "192.0.2.1, 2001:db8::1, www.example.com (CNAME), 10 mail.example.com (MX), or any text (TXT)."
        )
    )

    class Meta:
        ordering = ["name", "type", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["zone", "name", "type", "value"],
                name="one_record_per_value",
                violation_error_message="The zone has this record already.",
            )
        ]

    if TYPE_CHECKING:
        zone_id: int

    def __str__(self) -> str:
        return f"{self.name} {self.type} {self.value}"

    @transaction.atomic  # with what the receivers of its signals write
    def save(self, *args: Any, **kwargs: Any) -> None:
        if errors := self._normalize():
            raise ValidationError(errors)
        super().save(*args, **kwargs)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Normalize name and value, then validate each field; what is wrong is said at once."""
        errors = self._normalize()
        try:
            super().clean_fields(exclude={*(exclude or ()), *errors})
        except ValidationError as error:
            errors |= error.message_dict
        if errors:
            raise ValidationError(errors)

    #: Set by a form that looks at all records of the zone together.
    checked_together = False

    def clean(self) -> None:
        from dnszones.conflicts import record_problem  # it reads the other models

        if self.type == self.Type.CNAME and self.value == f"{self.full_name}.":
            raise ValidationError({"value": "This CNAME would point at itself, and nothing would be found."})
        if not self.checked_together and (problem := record_problem(self)):
            raise ValidationError({"name": problem})

    @property
    def full_name(self) -> str:
        """The whole name, without the final dot."""
        return full_name(self.name, self.zone.apex)

    def _normalize(self) -> dict[str, list[str]]:
        errors: dict[str, list[str]] = {}
        if self.zone_id or getattr(self, "zone", None):
            try:
                self.name = normalize_owner(self.name or APEX, self.zone.apex)
            except ValidationError as error:
                errors["name"] = error.messages
        if self.type in self.Type.values and self.value:
            try:
                self.value = normalize_value(self.type, self.value)
            except ValidationError as error:
                errors["value"] = error.messages
        return errors
