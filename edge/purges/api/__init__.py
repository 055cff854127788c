"""Purges in the API: asked for with 202, then watched edge by edge."""

from edge.purges.api.viewsets import DomainPurgeViewSet, PurgeViewSet

__all__ = ["DomainPurgeViewSet", "PurgeViewSet"]
