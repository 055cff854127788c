from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    name = "certificates"

    def ready(self) -> None:
        from certificates.documents import SOURCES
        from edge.rendering import register

        for kind, source in SOURCES.items():
            register(kind, source)
