"""The keys with which the edges encrypt session tickets (RFC 5077, RFC 8446 section 4.6.1)."""

from django.db import models


class TicketKey(models.Model):
    """One key: 16 bytes of name, 32 for HMAC, 32 for AES-256, sealed for the edges."""

    label = models.CharField(max_length=63, unique=True)
    active_from = models.DateTimeField(help_text="Tickets are encrypted with it from then on.")
    key = models.TextField(editable=False, help_text="Sealed.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-active_from", "-pk"]

    def __str__(self) -> str:
        return self.label
