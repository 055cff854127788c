"""The composition root as a Django app: it owns the commands that span the apps."""

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class CirrusSiteConfig(AppConfig):
    name = "cirrus_site"
    verbose_name = "Cirrus"

    def ready(self) -> None:
        from api import history
        from cirrus_site.effects import EFFECTS, MOVABLE
        from cirrus_site.history import PAGES, PARTS
        from cirrus_site.schedule import seed_schedule
        from edge.signals import connect

        connect(EFFECTS, MOVABLE)
        history.connect(PAGES, PARTS)

        # The sender is beat's own app: one without models, as this is, sends no such signal.
        post_migrate.connect(seed_schedule, sender=apps.get_app_config("django_celery_beat"))
