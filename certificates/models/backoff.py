"""What failures have taught about a name at an authority."""

from typing import TYPE_CHECKING

from django.db import models

from certificates.models.authority import Authority


class Backoff(models.Model):
    """When a name may be tried again at an authority's environment."""

    name = models.CharField(max_length=253)
    authority = models.ForeignKey(Authority, on_delete=models.CASCADE, related_name="backoffs")
    staging = models.BooleanField(default=False)
    failures = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    asked = models.BooleanField(
        default=False, help_text="The authority has asked for this wait, so nobody may shorten it."
    )
    problem = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "authority", "staging"], name="one_backoff_per_name")
        ]

    if TYPE_CHECKING:
        authority_id: int

    def __str__(self) -> str:
        return f"{self.name} at {self.authority}"
