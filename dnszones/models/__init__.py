"""What operators edit of the DNS, and what Cirrus notes about it; split by noun."""

from dnszones.models.challenge import Challenge
from dnszones.models.secondary import Secondary, SecondaryState
from dnszones.models.site import Site
from dnszones.models.version import StagedZone, ZoneVersion
from dnszones.models.zone import NameServer, Record, Zone

__all__ = [
    "Challenge",
    "NameServer",
    "Record",
    "Secondary",
    "SecondaryState",
    "Site",
    "StagedZone",
    "Zone",
    "ZoneVersion",
]
