"""Certificate authorities, what each domain is to have, what it has, and the orders on the way.

Private keys stand here sealed (accounts/sealing.py), are shown nowhere, and no form edits them.
"""

from certificates.models.authority import Authority, AuthorityAccount
from certificates.models.backoff import Backoff
from certificates.models.certificate import Certificate
from certificates.models.enrollment import Enrollment, KeyType
from certificates.models.order import Authorization, Order
from certificates.models.ticket import TicketKey

__all__ = [
    "Authority",
    "AuthorityAccount",
    "Authorization",
    "Backoff",
    "Certificate",
    "Enrollment",
    "KeyType",
    "Order",
    "TicketKey",
]
