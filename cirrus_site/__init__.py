"""The composition root: settings, URLs, the schedule, the dashboard. It may import every app."""

from cirrus_site.celery import app as celery_app

__all__ = ["celery_app"]
