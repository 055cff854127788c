"""manage.py issue_certificate HOST: have a certificate issued now, and watch."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from certificates.issuance.orders import order_advance, order_open
from certificates.issuance.outcomes import Failed, Issued, Waiting
from certificates.models import Authority, Enrollment
from certificates.services.enrollments import enrollment_hand_back
from cirrus_site.errors import CirrusError
from domains.hostnames import searched_hostname

#: What is told of the requests and states that `order_advance` names.
WORDS = {
    "ask new-account": "making an account",
    "ask new-order": "placing the order",
    "state publishing": "showing the challenges to the authority",
    "state answering": "every edge and every secondary has them",
    "state validating": "the authority looks",
    "state ready": "all names are proven",
    "state finalizing": "the request is handed in",
    "state downloading": "fetching the certificate",
    "state deploying": "the certificate is here",
}


class Command(BaseCommand):
    help = (
        "Have a certificate for a domain issued now, in the foreground. An order that is open goes on. "
        "It takes over from one that was uploaded, unless it is a trial."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("host", help="the host name of the domain")
        parser.add_argument("--authority", default="", help="the name of the authority (default: the first)")
        parser.add_argument("--staging", action="store_true", help="a trial at its staging environment")
        parser.add_argument("--timeout", type=float, default=300, metavar="SECONDS", help="default: 300")

    def handle(self, *_: Any, **options: Any) -> None:
        enrollment = self._enrollment(options["host"])
        try:
            order = order_open(
                enrollment=enrollment,
                authority=self._authority(enrollment, options["authority"]),
                staging=options["staging"],
            )
        except CirrusError as error:
            raise CommandError(str(error)) from error
        if not order.staging:
            enrollment_hand_back(enrollment=enrollment)
        self.stdout.write(f"Order {order.pk} at {order.authority.name}: {', '.join(order.names)}")
        deadline = time.monotonic() + options["timeout"]
        while True:
            outcome = order_advance(order.pk, progress=self._tell)
            if isinstance(outcome, Issued):
                until = f"{outcome.certificate.not_after:%Y-%m-%d %H:%M} UTC"
                self.stdout.write(f"Issued by {outcome.certificate.issuer}, valid until {until}.")
                return
            if isinstance(outcome, Failed):
                raise CommandError(outcome.sentence)
            self._wait(outcome, deadline)

    def _wait(self, outcome: Waiting, deadline: float) -> None:
        pause = max(0.0, (outcome.until - timezone.now()).total_seconds())
        self.stdout.write(f"  waiting {pause:.0f} s: {outcome.why}")
        if time.monotonic() + pause > deadline:
            raise CommandError("It is not done in time; a worker goes on with the order.")
        time.sleep(pause)

    def _tell(self, what: str) -> None:
        if what in WORDS:
            self.stdout.write(f"  {WORDS[what]}")

    def _enrollment(self, host: str) -> Enrollment:
        name = searched_hostname(host)
        found = Enrollment.objects.select_related("domain").filter(domain__hostnames__name=name).first()
        if not found:
            raise CommandError(f"No domain with HTTPS has the name {host}: turn on “Serve HTTPS” first.")
        return found

    def _authority(self, enrollment: Enrollment, name: str) -> Authority:
        enabled = Authority.objects.filter(enabled=True).order_by("position", "pk")
        chosen = enrollment.authority or enabled.first()
        found = enabled.filter(name=name).first() if name else chosen
        if not found:
            there = ", ".join(enabled.values_list("name", flat=True)) or "none"
            raise CommandError(f"No such certificate authority is enabled; there are: {there}.")
        return found
