from django.apps import AppConfig


class DnszonesConfig(AppConfig):
    name = "dnszones"
    verbose_name = "DNS"

    def ready(self) -> None:
        from api import dry_run
        from dnszones.preview import names_preview

        dry_run.register("names", names_preview)
