"""Every address of the API: the routers of all apps, below /api/v1/."""

from typing import Any

from django.urls import URLPattern, URLResolver, path, re_path
from rest_framework.routers import SimpleRouter

from accounts.api import RoleViewSet, TokenViewSet, UserViewSet
from alarms.api import AlarmViewSet
from api.documents import PageView, openapi
from api.operations_api import OperationViewSet
from api.problem_pages import nothing_here, problem_page
from certificates.api import (
    AuthorityViewSet,
    BackoffViewSet,
    CertificateViewSet,
    CertifiedDomainViewSet,
    EnrollmentViewSet,
    OrderViewSet,
    TicketKeyViewSet,
)
from cirrus_site.jobs_api import JobViewSet
from configuration.api import ConfigViewSet
from dnszones.api import (
    ChallengeViewSet,
    RecordViewSet,
    SecondaryViewSet,
    SiteViewSet,
    VersionViewSet,
    ZoneViewSet,
)
from domains.api import AliasViewSet, OriginViewSet, RuleViewSet
from edge.api import (
    ChangeViewSet,
    HealthViewSet,
    OutboxViewSet,
    PublishedNodeViewSet,
)
from edge.purges.api import DomainPurgeViewSet, PurgeViewSet
from nodes.api import RegionViewSet, StateChangeViewSet

#: The domain of an address below it.
HOST = "(?P<host>[^/]+)"
#: The zone of an address below it.
APEX = "(?P<apex>[^/]+)"
#: Address → viewset, in the order of the sidebar.
RESOURCES: dict[str, Any] = {
    "domains": CertifiedDomainViewSet,
    f"domains/{HOST}/origins": OriginViewSet,
    f"domains/{HOST}/aliases": AliasViewSet,
    f"domains/{HOST}/rules": RuleViewSet,
    f"domains/{HOST}/purges": DomainPurgeViewSet,
    "purges": PurgeViewSet,
    "changes": ChangeViewSet,
    "outbox": OutboxViewSet,
    "health": HealthViewSet,
    "nodes": PublishedNodeViewSet,
    "regions": RegionViewSet,
    "state-changes": StateChangeViewSet,
    "zones": ZoneViewSet,
    f"zones/{APEX}/records": RecordViewSet,
    f"zones/{APEX}/versions": VersionViewSet,
    "challenges": ChallengeViewSet,
    "secondaries": SecondaryViewSet,
    "sites": SiteViewSet,
    "certificates": CertificateViewSet,
    "enrollments": EnrollmentViewSet,
    "orders": OrderViewSet,
    "backoffs": BackoffViewSet,
    "ticket-keys": TicketKeyViewSet,
    "authorities": AuthorityViewSet,
    "alarms": AlarmViewSet,
    "tokens": TokenViewSet,
    "users": UserViewSet,
    "roles": RoleViewSet,
    "jobs": JobViewSet,
    "config": ConfigViewSet,
    "operations": OperationViewSet,
}

router = SimpleRouter(trailing_slash=False)
for prefix, viewset in RESOURCES.items():
    router.register(prefix, viewset, basename=prefix.replace(f"{HOST}/", "").replace(f"{APEX}/", ""))

urlpatterns: list[URLPattern | URLResolver] = [
    *router.urls,
    path("problems/<slug:kind>", problem_page, name="problem"),
    path("openapi.json", openapi, name="openapi"),
    path("docs/", PageView.as_view(), name="api-page"),
    re_path("", nothing_here),
]
