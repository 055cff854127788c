"""The roles: groups of Django, and which of its permissions each has. The admin and the API ask for the same.

`post_migrate` makes the groups and keeps them exactly so: what a role may do is changed here, not in the
admin. Who needs something else makes a group of their own, or gives a permission to a person.
"""

from dataclasses import dataclass
from typing import Any

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"

#: Role → what it is for, in the order from the least to the most.
ROLES: dict[str, str] = {
    VIEWER: "sees everything but people and tokens, and changes nothing",
    OPERATOR: "runs the sites: domains, purges, certificates, zones; takes nodes in and out",
    ADMINISTRATOR: "does everything: people, nodes, secondaries and authorities as well",
}

NOTHING = ""
VIEW = "view"
CHANGE = "view change"
ALL = "view add change delete"


@dataclass(frozen=True)
class Rights:
    """What each role may do with some models of an app."""

    app: str
    models: str
    viewer: str
    operator: str
    administrator: str


TABLE: tuple[Rights, ...] = (
    #      app          models                                   viewer   operator  administrator
    Rights("domains", "domain hostname origin", VIEW, ALL, ALL),
    Rights("domains", "cacherule cachecondition", VIEW, ALL, ALL),
    Rights("edge", "purge", VIEW, ALL, ALL),
    Rights("edge", "purgetarget purgerecord purgeallowance", VIEW, VIEW, ALL),
    Rights("edge", "outbox publication keyspace", VIEW, CHANGE, ALL),
    Rights("nodes", "region regionbackup", VIEW, VIEW, ALL),
    Rights("nodes", "node", VIEW, CHANGE, ALL),
    Rights("nodes", "nodeevent", VIEW, VIEW, VIEW),
    Rights("alarms", "alarm", VIEW, VIEW, VIEW),
    Rights("dnszones", "zone record site", VIEW, ALL, ALL),
    Rights("dnszones", "nameserver secondary", VIEW, VIEW, ALL),
    Rights("dnszones", "challenge secondarystate stagedzone zoneversion", VIEW, VIEW, VIEW),
    Rights("certificates", "certificate enrollment order authorization", VIEW, ALL, ALL),
    Rights("certificates", "backoff", VIEW, CHANGE, ALL),
    Rights("certificates", "authority authorityaccount", VIEW, VIEW, ALL),
    Rights("certificates", "ticketkey", NOTHING, NOTHING, ALL),
    Rights("accounts", "token", NOTHING, ALL, ALL),
    Rights("accounts", "user", NOTHING, NOTHING, ALL),
    Rights("auth", "group", NOTHING, NOTHING, VIEW),
    Rights("api", "operation", NOTHING, NOTHING, VIEW),
    Rights("api", "idempotentrequest", NOTHING, NOTHING, NOTHING),
    Rights("django_celery_beat", "periodictask", VIEW, VIEW, ALL),
    Rights("django_celery_beat", "crontabschedule intervalschedule clockedschedule", VIEW, VIEW, ALL),
    Rights("django_celery_beat", "solarschedule periodictasks", NOTHING, NOTHING, ALL),
    Rights("admin", "logentry", NOTHING, NOTHING, VIEW),
)

#: Permissions of ours beside Django's four: app → codename → roles.
EXTRA: dict[str, dict[str, tuple[str, ...]]] = {"accounts": {"manage_tokens": (ADMINISTRATOR,)}}


def codenames(role: str, app: str) -> set[str]:
    """The codenames of a role's permissions in an app. Pure."""
    found = {name for name, roles in EXTRA.get(app, {}).items() if role in roles}
    for rights in TABLE:
        if rights.app == app:
            verbs: str = getattr(rights, role)
            found |= {f"{verb}_{model}" for model in rights.models.split() for verb in verbs.split()}
    return found


def keep_roles(*, app_config: Any, **_: Any) -> None:
    """Give each role exactly its permissions in this app (receiver of `post_migrate`, once for each app)."""
    from django.contrib.auth.models import Group, Permission

    app = app_config.label
    there = {
        permission.codename: permission
        for permission in Permission.objects.filter(content_type__app_label=app)
    }
    for role in ROLES:
        group, _made = Group.objects.get_or_create(name=role)
        wanted = {there[name] for name in codenames(role, app) if name in there}
        held = set(group.permissions.filter(content_type__app_label=app))
        group.permissions.remove(*(held - wanted))
        group.permissions.add(*(wanted - held))
