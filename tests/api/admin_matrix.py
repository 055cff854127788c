"""Who may do what in the portal: one line for each model, one for each page of the site itself.

The roles are those of the API (tests/api/matrix.py). A line says it on its own and not by way of
accounts/roles.py, so that the two are held against each other. `test_admin_matrix.py` tries every cell.
"""

from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, SolarSchedule

from accounts.models import Token, User
from dnszones.models import Site, Zone
from dnszones.sites import sites_add
from domains.models import Domain
from tests.api.matrix import ADMINISTRATORS, EVERYBODY, OPERATORS, SUPERUSERS, VIEWERS, whole_world

Roles = frozenset[str]
NONE: Roles = frozenset()


@dataclass(frozen=True)
class Line:
    """One model. Who may see its list, each of its pages and their history; add; change; delete."""

    view: Roles
    add: Roles = NONE
    change: Roles = NONE
    delete: Roles = NONE
    #: Actions for several; where `delete` is open, so is “delete_selected”.
    actions: dict[str, Roles] = field(default_factory=dict)
    #: Buttons beside “Save”; only who may change has them.
    buttons: tuple[str, ...] = ()
    #: Pages of its own, by the name of their address.
    pages: dict[str, Roles] = field(default_factory=dict)


READ_ONLY = Line(VIEWERS)

LINES: dict[str, Line] = {
    "domains.Domain": Line(
        *(VIEWERS, OPERATORS, OPERATORS, OPERATORS),
        actions=dict.fromkeys(("enable", "disable", "purge_everything", "publish_again"), OPERATORS),
        pages={
            "domains_domain_status": VIEWERS,
            "domains_domain_traffic": VIEWERS,
            "domains_domain_why": VIEWERS,
            "domains_domain_steer": VIEWERS,
            "domains_domain_list_rules": VIEWERS,
            "domains_domain_add_rule": OPERATORS,
            "domains_domain_purge_some": OPERATORS,
            "domains_domain_purge_all": OPERATORS,
            "certificates_certificate": VIEWERS,
            "certificates_delegation": VIEWERS,
            "certificates_export": VIEWERS,
            "certificates_issue": OPERATORS,
            "certificates_revert": OPERATORS,
            "certificates_revoke": OPERATORS,
        },
    ),
    "domains.CacheRule": Line(
        *(VIEWERS, OPERATORS, OPERATORS, OPERATORS),
        actions=dict.fromkeys(("enable", "disable", "duplicate"), OPERATORS),
    ),
    "edge.Purge": Line(VIEWERS, OPERATORS, pages={"edge_purge_status": VIEWERS}),
    "edge.Publication": Line(VIEWERS, actions={"publish_again": OPERATORS}),
    "edge.Outbox": Line(VIEWERS, actions={"try_again": OPERATORS}),
    "nodes.Node": Line(
        *(VIEWERS, ADMINISTRATORS, OPERATORS, ADMINISTRATORS),
        actions=dict.fromkeys(
            ("take_into_service", "drain", "put_into_maintenance", "force_into_maintenance", "publish_again"),
            OPERATORS,
        ),
        buttons=("take_into_service_now", "drain_now", "maintain_now"),
        pages={"nodes_node_status": VIEWERS},
    ),
    "nodes.Region": Line(VIEWERS, ADMINISTRATORS, ADMINISTRATORS, ADMINISTRATORS),
    "nodes.NodeEvent": READ_ONLY,
    "alarms.Alarm": READ_ONLY,
    "dnszones.Zone": Line(
        *(VIEWERS, OPERATORS, OPERATORS, OPERATORS),
        actions={"publish_anyway": OPERATORS},
        buttons=("publish_this_anyway",),
        pages={"dnszones_zone_status": VIEWERS},
    ),
    "dnszones.ZoneVersion": READ_ONLY,
    "dnszones.Challenge": READ_ONLY,
    "dnszones.Site": Line(
        VIEWERS,
        change=OPERATORS,
        pages={"dnszones_site_who_serves": VIEWERS, "dnszones_site_spread": VIEWERS},
    ),
    "dnszones.Secondary": Line(VIEWERS, ADMINISTRATORS, ADMINISTRATORS, ADMINISTRATORS),
    "certificates.Certificate": Line(
        VIEWERS,
        OPERATORS,
        pages={
            "certificates_calendar": VIEWERS,
            "certificates_certificate_calendar": VIEWERS,
            "certificates_certificate_export": VIEWERS,
        },
    ),
    "certificates.Enrollment": Line(VIEWERS, change=OPERATORS),
    "certificates.Order": READ_ONLY,
    "certificates.Backoff": READ_ONLY,
    "certificates.TicketKey": Line(ADMINISTRATORS),
    "certificates.Authority": Line(
        *(VIEWERS, ADMINISTRATORS, ADMINISTRATORS, ADMINISTRATORS),
        pages={
            "certificates_authority_well_known": ADMINISTRATORS,
            "certificates_authority_test_connection": ADMINISTRATORS,
        },
    ),
    "accounts.User": Line(
        *(ADMINISTRATORS, ADMINISTRATORS, ADMINISTRATORS, ADMINISTRATORS),
        pages={"auth_user_password_change": ADMINISTRATORS},
    ),
    "accounts.Token": Line(
        *(OPERATORS, OPERATORS, OPERATORS, OPERATORS),
        actions={"revoke": OPERATORS},
        pages={"accounts_token_rotate_now": OPERATORS, "accounts_token_revoke_now": OPERATORS},
    ),
    "auth.Group": Line(ADMINISTRATORS, SUPERUSERS, SUPERUSERS, SUPERUSERS),
    "django_celery_beat.PeriodicTask": Line(
        *(VIEWERS, ADMINISTRATORS, ADMINISTRATORS, ADMINISTRATORS),
        actions=dict.fromkeys(("enable_tasks", "disable_tasks", "toggle_tasks", "run_tasks"), ADMINISTRATORS),
    ),
    **dict.fromkeys(
        (f"django_celery_beat.{name}Schedule" for name in ("Interval", "Crontab", "Clocked")),
        Line(VIEWERS, ADMINISTRATORS, ADMINISTRATORS, ADMINISTRATORS),
    ),
    "django_celery_beat.SolarSchedule": Line(ADMINISTRATORS, ADMINISTRATORS, ADMINISTRATORS, ADMINISTRATORS),
}

#: Pages of no model, by their address below /admin/; whoever may enter sees the first ones.
SITE: dict[str, Roles] = {
    "": EVERYBODY,
    "search/?s=domain": EVERYBODY,
    "password_change/": EVERYBODY,
    "password_change/done/": EVERYBODY,
    "jsi18n/": EVERYBODY,
    "accounts/": OPERATORS,
    "auth/": ADMINISTRATORS,
    **dict.fromkeys(("alarms/", "nodes/", "domains/", "edge/", "dnszones/", "certificates/"), VIEWERS),
    "django_celery_beat/": VIEWERS,
}

#: Fields that suggest rows while somebody types: (model, field) → who may see those rows.
SUGGESTING: dict[tuple[str, str], Roles] = {
    ("accounts.Token", "owner"): ADMINISTRATORS,
    ("accounts.User", "groups"): ADMINISTRATORS,
    ("domains.CacheRule", "domain"): VIEWERS,
    ("nodes.Node", "region"): VIEWERS,
    ("nodes.RegionBackup", "backup"): VIEWERS,
    ("edge.Purge", "domain"): VIEWERS,
    **dict.fromkeys((("dnszones.Site", name) for name in ("pinned", "excluded", "regions")), VIEWERS),
    ("dnszones.Secondary", "zones"): VIEWERS,
}


def world(caller: User) -> dict[str, Any]:
    """A row of each model that has none by itself; label of the model → the primary key of its row."""
    names = whole_world(caller)
    CrontabSchedule.objects.create()
    ClockedSchedule.objects.create(clocked_time=timezone.now())
    SolarSchedule.objects.create(event="sunrise", latitude=50, longitude=10)
    Zone.objects.update(refusal="It takes too many names away.")
    domain = Domain.objects.get(host="secured.example.com")
    sites_add()
    site = Site.objects.get(domain=domain)
    return {
        "domains.Domain": domain.pk,
        "dnszones.Site": site.pk,
        "certificates.Certificate": names["certificate"],
        "accounts.User": User.objects.get(username="paul").pk,
        "accounts.Token": names["own"],
    }


def owned_by(user: User) -> None:
    """Give `user` the token of the world: people see their own."""
    Token.objects.filter(name="own").update(owner=user)
