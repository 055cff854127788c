"""What the portal has and what the API has, side by side: `tests/api/test_parity.py` holds the two together.

An app joins with a line in PARITY for each of its models that the portal shows. What is in one of them only
stands there with its reason, so that nothing is forgotten by accident.
"""

from dataclasses import dataclass, field
from typing import Any

from accounts.api import RoleViewSet, TokenViewSet, UserViewSet
from alarms.api import AlarmViewSet
from certificates.api import (
    AuthorityViewSet,
    BackoffViewSet,
    CertificateViewSet,
    CertifiedDomainViewSet,
    EnrollmentViewSet,
    OrderViewSet,
    TicketKeyViewSet,
)
from certificates.api.certificates import UploadSerializer
from cirrus_site.jobs_api import JobViewSet
from dnszones.api import ChallengeViewSet, SecondaryViewSet, SiteViewSet, VersionViewSet, ZoneViewSet
from dnszones.api.serializers import StateSerializer
from domains.api import AliasViewSet, OriginViewSet, RuleViewSet
from edge.api import ChangeViewSet, OutboxViewSet, PublishedNodeViewSet
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
    #: add, change or delete, or a field that is written → why in one of both only.
    portal_verbs: dict[str, str] = field(default_factory=dict)
    api_verbs: dict[str, str] = field(default_factory=dict)
    portal_writes: dict[str, str] = field(default_factory=dict)
    api_writes: dict[str, str] = field(default_factory=dict)
    #: The serializer of what is sent, where it is not the one of what is answered.
    sent: Any = None
    #: Serializers of actions, whose fields count as well.
    serializers: tuple[Any, ...] = ()


RULE_ROW = {
    "cacherule.position": "rules",  # its place in the list
    "cacherule.rule": "rules.name",
    "cacherule.enabled": "rules.enabled",
    "cacherule.summary": "rules",
}

CONDITION = ("what", "name", "values", "negate")
#: What a domain's document has of its enrollment.
OF_A_CERTIFICATE = (
    *("source", "authority", "challenge", "key_type"),
    *(f"current.{name}" for name in ("id", "names", "source", "issuer", "not_after", "fingerprint")),
)
#: Pages of a domain that are about its certificate.
OF_CERTIFICATES = ("certificate", "delegation", "issue", "revert", "revoke", "export")

PARITY: dict[str, Parity] = {
    "domains.Domain": Parity(
        CertifiedDomainViewSet,
        names={"hostname.name": "aliases", "dns_name": "access_name", **RULE_ROW},
        api_only={
            "origins.id": "addresses the origin",
            "rules.id": "addresses the rule",
            **{f"certificate.{name}": "the portal has it in its enrollment" for name in OF_A_CERTIFICATE},
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
        api_writes={"rules.name": "the portal has it on the page of the rule"},
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
        names={f"cachecondition.{name}": f"conditions.{name}" for name in CONDITION},
        portal_only={"domain": "is in the address"},
        api_only={"id": "addresses it"},
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
        portal_writes={"domain": "is sent as one of `domains`"},
        sent=PurgeRequestSerializer,
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
    "dnszones.Zone": Parity(
        ZoneViewSet,
        names={f"nameserver.{name}": f"nameservers.{name}" for name in ("name", "ipv4", "ipv6")},
        portal_only={
            f"record.{name}": "/zones/{apex}/records: there may be many"
            for name in ("name", "type", "ttl", "value")
        },
        api_only=dict.fromkeys(
            ("serial", "built_at", "refusal", "warnings"), "the panel above the portal's form"
        ),
        actions={
            "publish_anyway": "publish_anyway",
            "publish_this_anyway": "publish_anyway",
            "dnszones_zone_status": "status",
        },
    ),
    "dnszones.ZoneVersion": Parity(
        VersionViewSet,
        names={"changed_list": "changed_names", "node_list": "nodes"},
        portal_only={"zone": "is in the address"},
    ),
    "dnszones.Secondary": Parity(
        SecondaryViewSet,
        names={
            "secret": "tsig_secret",
            **{
                f"secondarystate.{name}": name
                for name in ("zone", "serial", "soa_serial", "seen_at", "behind_since", "error")
            },
        },
        api_only={"secondary": "the page is one of it", "asked_at": "the portal shows when it answered"},
        api_actions={"states": "a list on its page", "rotate_key": "its key, entered or made"},
        serializers=(StateSerializer,),
    ),
    "dnszones.Site": Parity(
        SiteViewSet,
        names={"access": "access_name"},
        actions={"who_serves": "explain", "spread": "summary"},
    ),
    "certificates.Authority": Parity(
        AuthorityViewSet,
        names={
            "eab_secret": "eab_key",
            "eab": "has_eab_key",
            "authorityaccount.staging": "accounts.staging",
            "authorityaccount.url": "accounts.url",
        },
        api_only={"created_at": "when it was made", "updated_at": "when it was changed"},
        actions={"test_connection": "test", "well_known": "-a list to begin with, for people"},
    ),
    "certificates.Certificate": Parity(
        CertificateViewSet,
        names={
            "certificate_text": "certificate",
            "certificate_file": "certificate",
            "key_text": "key",
            "key_file": "key",
            "pkcs12_file": "pkcs12",
            "name_list": "names",
            "served_list": "served",
            "left": "not_after",
            "used_by": ("used_by.host", "used_by.use"),
        },
        api_only={
            "id": "addresses it",
            "authority": "the portal shows the issuer",
            "staging": "the portal shows the issuer",
        },
        actions={"calendar": "calendar", "certificates_calendar": "calendar", "export": "chain"},
        sent=UploadSerializer,
    ),
    "certificates.Enrollment": Parity(
        EnrollmentViewSet,
        names={"domain": "host"},
        api_only={
            **{
                f"{which}.{name}": "the panel on the page of the domain"
                for which in ("current", "being_tried", "previous")
                for name in ("id", "names", "source", "issuer", "not_after", "fingerprint")
            },
            **dict.fromkeys(("order", "next_step", "being_tried_on"), "the panel on the page of the domain"),
        },
        api_actions=dict.fromkeys(
            ("status", "delegation", "chain", "issue", "revert", "revoke"), "the page of the domain"
        ),
    ),
    "certificates.Order": Parity(
        OrderViewSet,
        names={
            "name_list": "names",
            "problem_document": "problem",
            **{
                f"authorization.{name}": f"authorizations.{name}"
                for name in ("name", "wildcard", "challenge_type", "dns_name", "state")
            },
        },
        api_only={
            "id": "addresses it",
            "host": "the portal's title has the names",
            "certificate": "the portal leads there by the domain",
        },
    ),
    "certificates.Backoff": Parity(BackoffViewSet, api_only={"id": "addresses it"}),
    "certificates.TicketKey": Parity(TicketKeyViewSet),
    "dnszones.Challenge": Parity(
        ChallengeViewSet, api_only={"id": "addresses it", "created_at": "the portal's list has it"}
    ),
    "alarms.Alarm": Parity(AlarmViewSet, api_only={"id": "addresses it"}),
    "accounts.User": Parity(
        UserViewSet,
        names={
            "groups": "roles",
            "user_permissions": "permissions",
            "password1": "password",
            "password2": "password",
            "usable_password": "password",  # left out: none
        },
        actions={"auth_user_password_change": "-PATCH with a password"},
    ),
    "accounts.Token": Parity(
        TokenViewSet,
        names={"hint": ("prefix", "last4")},
        api_only={"id": "addresses it", "successor": "the portal shows both in its list"},
        actions={"revoke": "revoke", "revoke_now": "revoke", "rotate_now": "rotate"},
    ),
    "auth.Group": Parity(RoleViewSet, api_only={"about": "what accounts/roles.py says it is for"}),
    "django_celery_beat.PeriodicTask": Parity(
        JobViewSet,
        names={"interval": "every", "regtask": "task"},
        portal_only={
            **dict.fromkeys(
                ("crontab", "crontab_translation", "solar", "clocked", "one_off", "start_time", "expires"),
                "Cirrus's jobs run in intervals; `schedule` says it where somebody has given one another",
            ),
            **dict.fromkeys(
                ("args", "kwargs", "queue", "exchange", "routing_key", "priority", "headers"),
                "Celery's own: a token would run any code of ours with any arguments",
            ),
        },
        api_only={"id": "addresses it", "schedule": "the portal has a field for each kind"},
        actions={
            "enable_tasks": "-PATCH with enabled",
            "disable_tasks": "-PATCH with enabled",
            "toggle_tasks": "-PATCH with enabled",
            "run_tasks": "run",
        },
        portal_verbs=dict.fromkeys(("add", "delete"), "jobs are code: one that is deleted comes back"),
        portal_writes=dict.fromkeys(("name", "task", "description", "expire_seconds"), "jobs are code"),
    ),
}

#: Models of the portal without a resource → why.
WITHOUT: dict[str, str] = {
    "django_celery_beat.IntervalSchedule": "`every` of a job makes the one that it needs",
    **dict.fromkeys(
        (f"django_celery_beat.{name}Schedule" for name in ("Crontab", "Clocked", "Solar")),
        "Cirrus's jobs run in intervals; others are Celery's, for people",
    ),
}

#: Parts of domains, whose fields must be those of their inlines.
PARTS: dict[str, Any] = {"origin": OriginViewSet, "hostname": AliasViewSet}
