"""manage.py revoke_certificate: have the authority revoke what a domain serves."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from certificates.checks.errors import CertificateRefused
from certificates.deployment.uploading import domain_of
from certificates.issuance.errors import NotRevoked
from certificates.issuance.revocation import REASONS
from certificates.models import Enrollment
from certificates.services.revoking import enrollment_revoke


class Command(BaseCommand):
    help = (
        "Have the authority revoke the certificate that a domain serves; that cannot be taken back. Another "
        "one is ordered at once, with a new key, and the revoked one is served until that has its place."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain", help="a host name of the domain")
        parser.add_argument(
            "--reason", choices=REASONS, default="unspecified", help="what the authority is told: %(choices)s"
        )
        parser.add_argument(
            "--no-reissue", action="store_true", help="order no other one until somebody asks for it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            domain = domain_of(options["domain"])
            enrollment = Enrollment.objects.select_related("current").filter(domain=domain).first()
            if enrollment is None:
                raise NotRevoked(f"{domain} has no certificate yet.")
            certificate = enrollment_revoke(
                enrollment=enrollment, reason=options["reason"], reissue=not options["no_reissue"]
            )
        except (CertificateRefused, NotRevoked) as error:
            raise CommandError(str(error)) from error
        what = (
            f"no other is ordered until somebody asks for one (manage.py issue_certificate {domain})"
            if options["no_reissue"]
            else "another one is ordered now"
        )
        self.stdout.write(f"{domain}: {certificate.fingerprint} is revoked; {what}")
