"""What the machinery remembers: answers to requests that may come twice, and work that takes long."""

import uuid

from django.conf import settings
from django.db import models


class IdempotentRequest(models.Model):
    """A POST with an Idempotency-Key, and, when it has ended, what it was answered."""

    caller = models.CharField(max_length=64, help_text="Who sent it: token:17, user:3.")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of its address and its document.")
    begun_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, help_text="Empty: it has not ended.")
    headers = models.JSONField(default=dict)
    body = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="one_request_of_a_caller_and_key")
        ]
        indexes = [models.Index(fields=["begun_at"], name="idempotent_by_time")]

    def __str__(self) -> str:
        return f"{self.key} of {self.caller}"


class Operation(models.Model):
    """Work that goes on after its request was answered with 202."""

    class State(models.TextChoices):
        PENDING = "pending", "pending"
        RUNNING = "running", "running"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=63, help_text="What is done, as a word: config_apply.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Who began it, and may see it.",
    )
    arguments = models.JSONField(default=dict)
    sealed = models.TextField(
        blank=True, help_text="What is told to nobody: sealed for “operation:ID”, and forgotten at its end."
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True, help_text="Why it failed, as a sentence.")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["created_at"], name="operations_by_time")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
