"""What can be refused about deployments."""

from cirrus_site.errors import CirrusError


class NotReverted(CirrusError):
    """The certificate before cannot be served again; the sentence says why."""
