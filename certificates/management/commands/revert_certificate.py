"""manage.py revert_certificate: serve the certificate before again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from certificates.checks.errors import CertificateRefused
from certificates.deployment import certificate_revert
from certificates.deployment.errors import NotReverted
from certificates.deployment.uploading import domain_of
from certificates.models import Enrollment


class Command(BaseCommand):
    help = "Serve the certificate of a domain that was served before, on all edges; the same step leads back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain", help="a host name of the domain")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            domain = domain_of(options["domain"])
            enrollment = Enrollment.objects.filter(domain=domain).first()
            if enrollment is None:
                raise NotReverted(f"{domain} has no certificate.")
            certificate = certificate_revert(enrollment=enrollment)
        except (CertificateRefused, NotReverted) as error:
            raise CommandError(str(error)) from error
        until = f"{certificate.not_after:%Y-%m-%d %H:%M} UTC"
        self.stdout.write(f"{domain}: {certificate.fingerprint}, until {until}")
