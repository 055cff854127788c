"""Objects for the tests, each valid as it comes."""

import factory

from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from nodes.models import Node, Region


class RegionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Region
        django_get_or_create = ("name",)

    name = "eu-west"


class NodeFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Node

    name = factory.Sequence(lambda n: f"edge-{n}")
    region = factory.SubFactory(RegionFactory)
    ipv4 = "127.0.0.1"
    state = Node.State.UP


class DomainFactory(factory.django.DjangoModelFactory):
    """A domain; `DomainFactory(origin__port=…)` gives it an origin as well."""

    class Meta:
        model = Domain
        skip_postgeneration_save = True

    host = factory.Sequence(lambda n: f"www.site-{n}.example")

    @factory.post_generation
    def origin(self, create, extracted, **kwargs):
        if extracted is not False:
            OriginFactory(domain=self, **kwargs)


class HostNameFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = HostName

    domain = factory.SubFactory(DomainFactory)
    name = factory.Sequence(lambda n: f"alias-{n}.example")


class OriginFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Origin

    scheme = Origin.Scheme.HTTP
    host = "127.0.0.1"
    port = 8080


class CacheRuleFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = CacheRule

    domain = factory.SubFactory(DomainFactory)
    position = factory.Sequence(lambda n: 10 * n)
    name = factory.Sequence(lambda n: f"Rule {n}")


class CacheConditionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = CacheCondition

    rule = factory.SubFactory(CacheRuleFactory)
    what = CacheCondition.What.PREFIX
    values = "/img/"
