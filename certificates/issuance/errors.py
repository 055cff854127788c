"""What can go wrong on the way to a certificate."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from certificates.issuance.outcomes import Failed
from cirrus_site.errors import CirrusError


class AuthorityProblem(CirrusError):
    """An authority has answered with a problem document (RFC 9457), or with an HTTP error."""

    def __init__(self, problem: Mapping[str, Any], *, status: int, retry_after: datetime | None) -> None:
        self.problem, self.status, self.retry_after = dict(problem), status, retry_after
        super().__init__(f"The authority answers {status}: {problem.get('detail') or problem.get('type')}.")


class AuthorityUnreachable(CirrusError):
    """An authority cannot be asked, or does not answer as one. `why`: half a sentence."""

    permanent = False

    def __init__(self, url: str, why: str) -> None:
        self.url, self.why = url, why
        super().__init__(f"{url} cannot be used: {why}.")


class AccountUnknown(CirrusError):
    """The authority has forgotten our account."""

    permanent = False

    def __init__(self, authority: str) -> None:
        super().__init__(f"{authority} does not know our account any more; it is made anew.")


class LeaseLost(CirrusError):
    """Another worker has taken over the order, or it is gone: nothing more may be written or asked."""

    permanent = False

    def __init__(self, order_id: int) -> None:
        super().__init__(f"Another worker has taken over order {order_id}, or it is gone.")


class OrderFails(CirrusError):
    """The order ends here; `failed` is its outcome."""

    def __init__(self, failed: Failed) -> None:
        self.failed = failed
        super().__init__(failed.sentence)


class NotRevoked(CirrusError):
    """A certificate could not be revoked; the sentence says why."""


class NotOrdered(CirrusError):
    """An order cannot be opened; the sentence says why."""
