"""The composition root as a Django app: it owns the commands that span the apps."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CirrusSiteConfig(AppConfig):
    name = "cirrus_site"
    verbose_name = "Cirrus"

    def ready(self) -> None:
        from cirrus_site.schedule import seed_schedule

        post_migrate.connect(seed_schedule, sender=self)
