"""The DNS in the portal, by noun."""

from dnszones.secondary_admin import SecondaryAdmin
from dnszones.site_admin import AnsweredDomainAdmin, SiteAdmin
from dnszones.zone_admin import ChallengeAdmin, ZoneAdmin, ZoneVersionAdmin

__all__ = [
    "AnsweredDomainAdmin",
    "ChallengeAdmin",
    "SecondaryAdmin",
    "SiteAdmin",
    "ZoneAdmin",
    "ZoneVersionAdmin",
]
