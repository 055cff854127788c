"""What can go wrong with a request beside what DRF has words for; each is a type in api/problems.py."""

from collections.abc import Mapping

from rest_framework import status
from rest_framework.exceptions import APIException

from cirrus_site.errors import CirrusError as CirrusError


class Invalid(APIException):
    """Fields that cannot be meant. `errors`: field, as a problem names it, → sentence."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_detail = "Something in this request cannot be meant."

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__()
        self.errors = dict(errors)


class InvalidQuery(Invalid):
    """Parameters after the “?” that cannot be meant; they are given by name."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__({f"?{name}": reason for name, reason in errors.items()})


class PreconditionFailed(APIException):
    """If-Match or If-None-Match does not hold (RFC 9110 section 13.1)."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "It was changed meanwhile: get it again, and decide anew."


class TooLarge(APIException):
    """The body has more bytes than this address takes."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit:,} bytes.")


class KeyReused(APIException):
    """An Idempotency-Key came again with another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = "This Idempotency-Key was used for another request: make a new key for a new request."


class StillRunning(APIException):
    """The first request with this Idempotency-Key has not ended yet."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "The first request with this Idempotency-Key is still running."
    retry_after = 1
