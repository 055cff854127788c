"""TXT records that prove the control of a name for a while (ACME DNS-01, RFC 8555 section 8.4)."""

from typing import TYPE_CHECKING, Any

from django.db import models, transaction

from dnszones.models.zone import Zone


class Challenge(models.Model):
    """One value at one name; a name may have several at once."""

    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="challenges")
    name = models.CharField(max_length=253, help_text="Relative to the zone: _acme-challenge.www.")
    value = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "value"]
        constraints = [
            models.UniqueConstraint(fields=["zone", "name", "value"], name="one_challenge_per_value")
        ]

    if TYPE_CHECKING:
        zone_id: int

    def __str__(self) -> str:
        return self.name

    @transaction.atomic  # with what the receivers of its signals write
    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
