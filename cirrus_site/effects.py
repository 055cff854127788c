"""What a save does outside: the whole answer to “what happens when I save X?”.

Saving or deleting an object of a model on the left stages what stands on the right: documents for the
edges (edge/outbox.py) and zones for the name servers (dnszones/staging.py). Nothing else writes to
them. Every model of ours stands in EFFECTS or in NO_EFFECT; a test holds that, so none can be
forgotten. `QuerySet.update()` and `bulk_create()` send no signal: the reconciler (edge/sync.py) and
the scheduled build of all zones find what they changed.
"""

from django.db import models

from accounts.models import Token, User
from alarms.models import Alarm
from api.models import IdempotentRequest, Operation
from certificates.documents import (
    TICKETS_OBJECT,
    domains_of_authorization,
    domains_of_certificate,
)
from certificates.models import (
    Authority,
    AuthorityAccount,
    Authorization,
    Backoff,
    Certificate,
    Enrollment,
    Order,
    TicketKey,
)
from certificates.staging import AUTHORITY_ITSELF, DOMAIN_ITSELF, DOMAIN_OF_NAME
from dnszones.models import (
    Challenge,
    NameServer,
    Record,
    Secondary,
    SecondaryState,
    Site,
    StagedZone,
    Zone,
    ZoneVersion,
)
from dnszones.staging import EVERY_ZONE, OWN_ZONE, ZONE_ITSELF
from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from edge.models import (
    Keyspace,
    Kind,
    Outbox,
    Publication,
    Purge,
    PurgeAllowance,
    PurgeRecord,
    PurgeTarget,
)
from edge.signals import Effects, documents
from nodes.models import Node, NodeEvent, Region, RegionBackup


def domains_of_rule(rule_id: int) -> list[int]:
    """The domain of a rule, or none where the rule is gone already."""
    return list(CacheRule.objects.filter(pk=rule_id).values_list("domain_id", flat=True))


EFFECTS: Effects = {
    # model    documents that change, and zones
    Domain: [  # and, with its document, its purges, challenges and certificate: edge/projection.py
        documents(Kind.DOMAIN, lambda domain: [domain.pk]),
        EVERY_ZONE,
        DOMAIN_ITSELF,  # is enrolled, and what it lacks is ordered: certificates/staging.py
    ],
    HostName: [documents(Kind.DOMAIN, lambda name: [name.domain_id]), EVERY_ZONE, DOMAIN_OF_NAME],
    Origin: [documents(Kind.DOMAIN, lambda origin: [origin.domain_id]), EVERY_ZONE],  # the first one
    CacheRule: [documents(Kind.DOMAIN, lambda rule: [rule.domain_id])],
    CacheCondition: [documents(Kind.DOMAIN, lambda condition: domains_of_rule(condition.rule_id))],
    Node: [documents(Kind.NODE, lambda node: [node.pk]), EVERY_ZONE],
    Region: [
        documents(Kind.NODE, lambda region: list(region.nodes.values_list("pk", flat=True))),
        EVERY_ZONE,
    ],
    RegionBackup: [EVERY_ZONE],
    Zone: [ZONE_ITSELF],
    NameServer: [EVERY_ZONE],
    Site: [EVERY_ZONE],
    Secondary: [EVERY_ZONE],  # who gets the zones
    Record: [OWN_ZONE],
    Challenge: [OWN_ZONE],
    Enrollment: [documents(Kind.CERTIFICATE, lambda enrollment: [enrollment.domain_id])],
    Certificate: [documents(Kind.CERTIFICATE, domains_of_certificate)],
    Authorization: [documents(Kind.CHALLENGE, domains_of_authorization)],
    Authority: [AUTHORITY_ITSELF],  # who waits for one is looked at
    TicketKey: [documents(Kind.TICKETS, lambda key: [TICKETS_OBJECT])],
}

#: Parts that may move from one whole to another: saving one stages the one it leaves as well.
MOVABLE: set[type[models.Model]] = {HostName, Origin, CacheRule, CacheCondition, Record}

NO_EFFECT: dict[type[models.Model], str] = {
    User: "people are known to the control plane only",
    Token: "lets programs into the control plane only",
    IdempotentRequest: "is the record of what was answered",
    Operation: "is the record of what is done",
    Outbox: "is itself what is still to be published",
    Publication: "is the record of what was published",
    Keyspace: "is the counter of revisions",
    Purge: "is staged by the service that makes it, with all its targets at once",
    PurgeTarget: "is part of a purge",
    PurgeRecord: "is the record of what purges were published; who drops old ones stages their domains",
    PurgeAllowance: "is the counter of a limit",
    Alarm: "is for people",
    NodeEvent: "is the history of a node's state",
    StagedZone: "is itself what is still to be built",
    ZoneVersion: "is the record of what was published",
    SecondaryState: "is the record of what was seen",
    AuthorityAccount: "is known to its authority only",
    Order: "is what is under way at an authority; what edges show for it are its authorizations",
    Backoff: "is the record of what has failed",
}
