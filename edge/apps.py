from django.apps import AppConfig


class EdgeConfig(AppConfig):
    name = "edge"

    def ready(self) -> None:
        from api import dry_run
        from edge.api.preview import documents_preview

        dry_run.register("documents", documents_preview)
