"""The Celery application: `celery -A cirrus_site worker` and `… beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cirrus_site.settings")

app = Celery("cirrus")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
