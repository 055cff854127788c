"""What Cirrus serves: domains with their names and origins, and the rules by which answers are kept."""

from domains.models.domain import Domain, HostName, HostNameQuerySet, Origin, generate_access_name
from domains.models.rule import CacheCondition, CacheRule

__all__ = [
    "CacheCondition",
    "CacheRule",
    "Domain",
    "HostName",
    "HostNameQuerySet",
    "Origin",
    "generate_access_name",
]
