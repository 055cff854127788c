"""What somebody should look at now: alarms, open until what raised them is well again."""

from django.db import models


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def open(self) -> "AlarmQuerySet":
        """Those whose cause lasts."""
        return self.filter(cleared_at=None)


class Alarm(models.Model):
    """One thing that is wrong, from when it was noticed until it was well again."""

    class Severity(models.TextChoices):
        WARNING = "warning", "warning"
        CRITICAL = "critical", "critical"

    kind = models.CharField(max_length=63, help_text="What is wrong, as a word: region_share.")
    subject = models.CharField(max_length=253, help_text="With what: a region, a zone, a host.")
    sentence = models.TextField(help_text="What is wrong and what to do, in whole sentences.")
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.WARNING)
    raised_at = models.DateTimeField()
    changed_at = models.DateTimeField(help_text="When its sentence or severity last changed.")
    cleared_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it is open.")

    objects = AlarmQuerySet.as_manager()

    class Meta:
        # Open ones first (on every database: not all sort NULL alike), then the newest.
        ordering = [models.F("cleared_at").desc(nulls_first=True), "-raised_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(cleared_at__isnull=True),
                name="one_open_alarm_of_a_kind_and_subject",
            )
        ]
        indexes = [models.Index(fields=["cleared_at"], name="alarms_by_clearing")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"
