"""What is wrong with a certificate, as one sentence that helps."""

from cirrus_site.errors import CirrusError


class CertificateRefused(CirrusError):
    """It is not installed. `field`: what of it is wrong: certificate, key, password or names.

    `confirmable`: somebody who knows better may have it installed nevertheless.
    """

    def __init__(self, sentence: str, *, field: str = "certificate", confirmable: bool = False) -> None:
        self.field, self.confirmable = field, confirmable
        super().__init__(sentence)
