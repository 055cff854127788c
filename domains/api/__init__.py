"""Domains in the API: one document with all of their parts, or part by part."""

from domains.api.parts import AliasViewSet, OriginViewSet, RuleViewSet
from domains.api.serializers import DomainSerializer
from domains.api.viewset import DomainViewSet

__all__ = ["AliasViewSet", "DomainSerializer", "DomainViewSet", "OriginViewSet", "RuleViewSet"]
