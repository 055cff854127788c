"""Whose changes by the API stand in the portal's *History* pages (api/history.py).

Like EFFECTS (cirrus_site/effects.py) it goes by signals; a test holds that what the API writes stands here.
"""

from django.contrib.auth.models import Group
from django.db import models
from django_celery_beat.models import PeriodicTask

from accounts.models import Token, User
from certificates.models import Authority, Certificate, Enrollment
from dnszones.models import NameServer, Record, Secondary, Site, Zone
from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from edge.models import Purge
from nodes.models import Node, Region, RegionBackup

#: What has a page of its own.
PAGES: set[type[models.Model]] = {
    *(Domain, CacheRule, Purge, Enrollment, Certificate, Authority),
    *(Node, Region, Zone, Site, Secondary, User, Group, Token, PeriodicTask),
}
#: Parts → the field of the whole, on whose page they are told.
PARTS: dict[type[models.Model], str] = {
    HostName: "domain",
    Origin: "domain",
    CacheRule: "domain",
    CacheCondition: "rule",
    Enrollment: "domain",
    Site: "domain",
    Record: "zone",
    NameServer: "zone",
    RegionBackup: "region",
}
