"""How far an order has come: what `order_advance` answers. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from certificates.models import Certificate


class FailureKind(StrEnum):
    """What kind of trouble ended an order, by who can do something about it."""

    #: The authority has had enough of us (RFC 8555 section 6.6): wait for `retry_after`.
    RATE_LIMITED = "rate_limited"
    #: It never issues for one of the names.
    REJECTED_IDENTIFIER = "rejected_identifier"
    #: CAA records of the names forbid it (RFC 8659).
    CAA = "caa"
    #: It could not look up the names, or what it looked for.
    DNS = "dns"
    #: It could not reach the names' server, or not speak to it.
    CONNECTION = "connection"
    #: It saw another answer than the right one: the names are not pointed at us.
    UNAUTHORIZED = "unauthorized"
    #: It does not understand, or not like, what we ask for.
    MALFORMED = "malformed"
    #: It wants something of the account: an external account, its terms, a contact.
    ACCOUNT = "account"
    #: The challenge cannot be answered from here: a delegation is missing, or a zone is refused.
    CHALLENGE = "challenge"
    #: The challenge was not seen on every edge or secondary in time.
    NOT_SEEN = "not_seen"
    #: The order is not there any more, or was not done in its time: a new one may do better.
    ORDER_LOST = "order_lost"
    #: It does not answer, or answers with errors of its own.
    CA_DOWN = "ca_down"


#: Kinds that say nothing about the names: another authority may be asked with the same ones.
AUTHORITY_FAILURES = frozenset({FailureKind.RATE_LIMITED, FailureKind.ACCOUNT, FailureKind.CA_DOWN})


@dataclass(frozen=True)
class Issued:
    """There is a certificate; its deployment has begun, unless it is one of a staging environment."""

    certificate: "Certificate"


@dataclass(frozen=True)
class Waiting:
    """The order is under way: advance it again at `until`. `why`: half a sentence."""

    until: datetime
    why: str


@dataclass(frozen=True)
class Failed:
    """The order has ended without a certificate, and its challenges are taken back.

    `retry_after`: before then the authority wants no further attempt; `problem`: its problem document
    (RFC 9457) where it gave one; `names`: those of the order that the trouble is about, where that is known.
    `everybody`: it is about none, so that nothing should be asked before `retry_after`.
    """

    kind: FailureKind
    sentence: str
    retry_after: datetime | None = None
    problem: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    everybody: bool = False


Outcome = Issued | Waiting | Failed
