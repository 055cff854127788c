"""Zones, their records and versions, the name servers that fetch them, and steering in the API."""

from dnszones.api.challenges import ChallengeViewSet
from dnszones.api.records import RecordViewSet
from dnszones.api.secondaries import SecondaryViewSet
from dnszones.api.sites import SiteViewSet
from dnszones.api.versions import VersionViewSet
from dnszones.api.zones import ZoneViewSet

__all__ = [
    "ChallengeViewSet",
    "RecordViewSet",
    "SecondaryViewSet",
    "SiteViewSet",
    "VersionViewSet",
    "ZoneViewSet",
]
