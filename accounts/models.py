"""Users of the portal and the API, and the tokens with which programs call it."""

import ipaddress
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from api.scopes import SCOPES

#: How long a token is valid where nobody says otherwise.
LIFETIME = timedelta(days=365)
#: A host name, or a wildcard, in lower case (the domains' own rules say more; here it only selects).
HOST = re.compile(r"(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,126}")


class User(AbstractUser):
    """A person who operates Cirrus. Our own class from the first migration, so that it can grow."""


def a_year_from_now() -> datetime:
    return timezone.now() + LIFETIME


class TokenQuerySet(models.QuerySet["Token"]):
    def alive(self, now: datetime) -> "TokenQuerySet":
        """Neither revoked nor expired."""
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now), revoked_at=None)


class Token(models.Model):
    """What a program shows to the API. The secret itself is shown once and stored nowhere."""

    name = models.CharField(max_length=100, help_text="What uses it: “deploy of the shop”.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="tokens",
        help_text="The token may never do more than this user.",
    )
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the secret.")
    prefix = models.CharField(max_length=16, editable=False, help_text="How the secret begins.")
    last4 = models.CharField("last characters", max_length=4, editable=False)
    scopes = models.JSONField(default=list, blank=True, help_text="What it is for.")
    domains = models.JSONField(
        default=list,
        blank=True,
        help_text="Host names of the domains that it is limited to. Empty: it is not limited.",
    )
    networks = models.JSONField(
        default=list,
        blank=True,
        help_text="Networks that it may be used from (192.0.2.0/24). Empty: from everywhere.",
    )
    expires_at = models.DateTimeField(
        null=True, blank=True, default=a_year_from_now, help_text="Empty: it does not expire."
    )
    max_unused_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="It ends when it was not used for so many days. Empty: it may rest.",
    )
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="To the minute.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.CharField(max_length=150, blank=True, editable=False)
    successor = models.OneToOneField(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="predecessor",
        editable=False,
        help_text="The token that it was rotated to.",
    )

    objects = TokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        permissions = [("manage_tokens", "Can see, revoke and rotate the tokens of everybody")]

    if TYPE_CHECKING:
        owner_id: int
        successor_id: int | None

    def __str__(self) -> str:
        return f"{self.name} ({self.hint})"

    def clean(self) -> None:
        problems: dict[str, str] = {}
        for name, cleaned in (("scopes", _scope), ("domains", _host), ("networks", _network)):
            values = getattr(self, name)
            try:
                if not isinstance(values, list):
                    raise ValueError("It is a list of texts.")
                setattr(self, name, sorted({cleaned(value) for value in values}))
            except ValueError as error:
                problems[name] = str(error)
        if not self.scopes and "scopes" not in problems:
            problems["scopes"] = "A token without a scope could do nothing."
        if problems:
            raise ValidationError(problems)

    @property
    def hint(self) -> str:
        """How somebody who has the secret recognises it: `cirrus_3fXq…9aQz`."""
        return f"{self.prefix}…{self.last4}"

    # What the API asks of a credential (api/credentials.py).

    @property
    def key(self) -> str:
        return f"token:{self.pk}"

    def allows(self, scope: str) -> bool:
        return scope in self.scopes

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(self.domains)


def _scope(value: Any) -> str:
    if value not in SCOPES:
        raise ValueError(f"There is no scope “{value}”. Scopes: {', '.join(SCOPES)}.")
    return str(value)


def _host(value: Any) -> str:
    text = str(value).strip().lower().rstrip(".")
    if len(text) > 253 or not HOST.fullmatch(text):
        raise ValueError(f"“{value}” is no host name (internationalised ones in their ASCII form, xn--…).")
    return text


def _network(value: Any) -> str:
    try:
        return str(ipaddress.ip_network(str(value).strip(), strict=False))
    except ValueError as error:
        raise ValueError(f"“{value}” is no network: 192.0.2.0/24, 2001:db8::/32.") from error
