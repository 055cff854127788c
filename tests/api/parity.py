"""What the portal has and what the API has, side by side: `tests/api/test_parity.py` holds the two together.

An app joins with a line in PARITY for each of its models that the portal shows. What is in one of them only
stands there with its reason, so that nothing is forgotten by accident.
"""

from dataclasses import dataclass, field
from typing import Any

from domains.api import AliasViewSet, OriginViewSet, RuleViewSet
from edge.api import ChangeViewSet, OutboxViewSet, PublishedDomainViewSet, PublishedNodeViewSet
from edge.purges.api import PurgeViewSet
from edge.purges.api.serializers import PurgeRequestSerializer
from nodes.api import RegionViewSet, StateChangeViewSet

Names = tuple[str, ...]


@dataclass(frozen=True)
class Parity:
    """One model of the portal and its resource.

    `names`: field of the portal → field (or fields) of the API, dotted where it is nested (`origins.host`);
    an inline is dotted by its model's name. `portal_only`, `api_only`: field → why. `actions`: action or page
    of the portal → action of the API, or, beginning with “-”, why it has none. `api_actions`: actions of the
    API that the portal has in another way → which.
    """

    viewset: Any
    names: dict[str, str | Names] = field(default_factory=dict)
    portal_only: dict[str, str] = field(default_factory=dict)
    api_only: dict[str, str] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)
    api_actions: dict[str, str] = field(default_factory=dict)
    #: Serializers whose fields count as well: what is sent where it is not what is answered.
    serializers: tuple[Any, ...] = ()


RULE_ROW = {
    "cacherule.position": "rules",  # its place in the list
    "cacherule.rule": "rules.name",
    "cacherule.enabled": "rules.enabled",
    "cacherule.summary": "rules",
}

CONDITION = ("what", "name", "values", "negate")
#: Pages of a domain that are about its certificate.
OF_CERTIFICATES = ("certificate", "delegation", "issue", "revert", "revoke", "export")

PARITY: dict[str, Parity] = {
    "domains.Domain": Parity(
        PublishedDomainViewSet,
        names={"hostname.name": "aliases", "dns_name": "access_name", **RULE_ROW},
        api_only={
            "origins.id": "addresses the origin",
            "rules.id": "addresses the rule",
            **{
                f"rules.{name}": "the portal has it on the page of the rule"
                for name in (
                    *("match", "conditions.what", "conditions.name", "conditions.values"),
                    *("conditions.negate", "bypass", "force", "strip_cookies", "edge_ttl", "browser_ttl"),
                    *("ttl_by_status", "stale_while_revalidate", "stale_if_error", "query_mode"),
                    *("query_sort", "query_names", "key_headers", "key_cookies", "key_device", "slices"),
                )
            },
        },
        actions={
            "enable": "enable",
            "disable": "disable",
            "purge_everything": "-POST /purges with several domains",
            "purge_some": "-POST /domains/{host}/purges",
            "purge_all": "-POST /domains/{host}/purges with everything",
            "publish_again": "publish_again",
            "add_rule": "-POST /domains/{host}/rules",
            "list_rules": "-GET /domains/{host}/rules",
            "why": "why",
            "steer": "-/sites",
            "domains_domain_status": "status",
            "domains_domain_traffic": "traffic",
            **{f"certificates_{name}": "-resources of certificates" for name in OF_CERTIFICATES},
        },
        api_actions={"bulk": "its list, with actions for several"},
    ),
    "domains.CacheRule": Parity(
        RuleViewSet,
        names={
            "domain": "id",  # is in the address
            **{f"cachecondition.{name}": f"conditions.{name}" for name in CONDITION},
        },
        actions={"enable": "enable", "disable": "disable", "duplicate": "duplicate"},
        api_actions={"move": "its position"},
    ),
    "edge.Purge": Parity(
        PurgeViewSet,
        names={
            "domain": ("domain", "domains"),
            "what": ("urls", "prefixes", "tags"),
            "names": ("urls", "prefixes", "tags"),
            "confirmed": "everything",
            "number": "targets",
            "how": "soft",
            "rev": "revision",
            "target_list": "summary",
        },
        api_only={
            "id": "addresses it",
            "host": "the portal's title",
            "widened": "the portal's panel",
            "state": "the portal's panel",
            "done_by": "the portal's panel",
            "status": "the portal's panel",
        },
        actions={"edge_purge_status": "-GET /purges/{id}"},
        api_actions={"bulk": "one form for several domains", "targets": "its page lists them"},
        serializers=(PurgeRequestSerializer,),
    ),
    "edge.Publication": Parity(
        ChangeViewSet,
        names={"rev": "revision", "answers": "revision"},
        actions={"publish_again": "publish_again"},
    ),
    "edge.Outbox": Parity(OutboxViewSet, api_only={"id": "addresses it"}, actions={"try_again": "retry"}),
    "nodes.Node": Parity(
        PublishedNodeViewSet,
        api_only={
            "safe_to_stop": "the line above the portal's form",
            "withdrawn_at": "the line above the portal's form",
            "safe_to_stop_at": "the line above the portal's form",
        },
        actions={
            "take_into_service": "up",
            "take_into_service_now": "up",
            "drain": "drain",
            "drain_now": "drain",
            "put_into_maintenance": "maintenance",
            "maintain_now": "maintenance",
            "force_into_maintenance": "maintenance",
            "publish_again": "publish_again",
            "nodes_node_status": "status",
        },
        api_actions={"state_changes": "the timeline on its page"},
    ),
    "nodes.Region": Parity(
        RegionViewSet, names={"regionbackup.backup": "backups", "regionbackup.position": "backups"}
    ),
    "nodes.NodeEvent": Parity(StateChangeViewSet, api_only={"id": "addresses it"}),
}

#: Models of the portal without a resource → why.
WITHOUT: dict[str, str] = {
    "django_celery_beat.PeriodicTask": "the schedule is code; what may be done to it by hand is for people",
    "django_celery_beat.IntervalSchedule": "part of the schedule",
    "django_celery_beat.CrontabSchedule": "part of the schedule",
    "django_celery_beat.ClockedSchedule": "part of the schedule",
    "django_celery_beat.SolarSchedule": "part of the schedule",
}

#: Models whose resources are made elsewhere and have no line yet.
JOINING: set[str] = {
    *("accounts.Token", "accounts.User", "auth.Group", "alarms.Alarm"),
    *("dnszones.Secondary", "dnszones.Site", "dnszones.Zone", "dnszones.ZoneVersion", "dnszones.Challenge"),
    *("certificates.Authority", "certificates.Certificate", "certificates.Enrollment", "certificates.Order"),
    *("certificates.Backoff", "certificates.TicketKey"),
}

#: Parts of domains, whose fields must be those of their inlines.
PARTS: dict[str, Any] = {"origin": OriginViewSet, "hostname": AliasViewSet}
