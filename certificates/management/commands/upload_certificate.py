"""manage.py upload_certificate: install a certificate that was got elsewhere."""

import getpass
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from certificates.checks.apart import read_pem_apart, read_pkcs12_apart
from certificates.checks.errors import CertificateRefused
from certificates.checks.material import Material
from certificates.checks.pem import LONGEST, require_size
from certificates.deployment import certificate_upload
from certificates.deployment.uploading import domain_of, domains_covered

#: No setting of ours, so it has not our prefix: an unknown name with it stops every process.
PASSWORD = "UPLOAD_PASSWORD"  # noqa: S105  # its name


class Command(BaseCommand):
    help = (
        "Install a certificate with its chain and key for some domains (unless named: every domain of which "
        f"it has all names). A password is asked for, or read from {PASSWORD} in the environment."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("certificate", type=Path, help="PEM with the chain, DER, or PKCS#12 (.p12, .pfx)")
        parser.add_argument("--key", type=Path, help="the private key, where it is not in the same file")
        parser.add_argument("--domain", action="append", default=[], help="a host name; may be given again")
        parser.add_argument("--password", action="store_true", help="ask for the password of the key")
        parser.add_argument(
            "--nevertheless", action="store_true", help="also where it is older, or lacks names of a domain"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            material = self._material(options)
            domains = [domain_of(host) for host in options["domain"]] or domains_covered(material)
            if not domains:
                raise CertificateRefused("No domain has only names that it is for: name one with --domain.")
            uploaded = certificate_upload(
                material=material, domains=list(dict.fromkeys(domains)), confirmed=options["nevertheless"]
            )
        except CertificateRefused as error:
            more = " Give --nevertheless to install it all the same." if error.confirmable else ""
            raise CommandError(f"{error}{more}") from error
        for note in uploaded.notes:
            self.stderr.write(self.style.WARNING(note))
        self.stdout.write(f"{material.fingerprint}: {' '.join(uploaded.sentences)}")

    def _material(self, options: dict[str, Any]) -> Material:
        path: Path = options["certificate"]
        password = os.environ.get(PASSWORD, "")
        if options["password"] and not password:
            password = getpass.getpass("Password: ")
        if path.suffix.lower() in (".p12", ".pfx"):
            return read_pkcs12_apart(self._read(path), password=password)
        key = self._read(options["key"]) if options["key"] else b""
        return read_pem_apart(self._read(path), key, password=password)

    def _read(self, path: Path) -> bytes:
        try:
            require_size(path.stat().st_size, what=str(path))
            with path.open("rb") as file:
                return file.read(LONGEST + 1)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
