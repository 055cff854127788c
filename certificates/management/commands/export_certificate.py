"""manage.py export_certificate: the public chain that a domain serves, as PEM."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from certificates.checks.errors import CertificateRefused
from certificates.deployment.storing import counts
from certificates.deployment.uploading import domain_of
from certificates.models import Enrollment


class Command(BaseCommand):
    help = "Write the chain of a domain's certificate (PEM, leaf first, without the key) to standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain", help="a host name of the domain")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            domain = domain_of(options["domain"])
        except CertificateRefused as error:
            raise CommandError(str(error)) from error
        enrollment = Enrollment.objects.select_related("current").filter(domain=domain).first()
        if enrollment is None or enrollment.current is None or not counts(enrollment.current):
            raise CommandError(f"{domain} has no certificate yet.")
        self.stdout.write(enrollment.current.chain, ending="")
