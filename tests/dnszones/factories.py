"""Objects of the DNS for the tests, each valid as it comes."""

import factory

from dnszones.models import NameServer, Record, Secondary, Zone
from dnszones.secondaries import secondary_give_key


class ZoneFactory(factory.django.DjangoModelFactory):
    """A zone; it has a name server inside itself unless `server=None` says otherwise."""

    class Meta:
        model = Zone
        skip_postgeneration_save = True

    apex = factory.Sequence(lambda n: f"zone-{n}.example")

    @factory.post_generation
    def server(self, create, extracted, **kwargs):
        if extracted is not False:
            NameServerFactory(zone=self, name=f"ns1.{self.apex}", ipv4="192.0.2.53")


class NameServerFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = NameServer

    zone = factory.SubFactory(ZoneFactory, server=False)
    name = factory.Sequence(lambda n: f"ns-{n}.elsewhere.example")


class RecordFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Record

    zone = factory.SubFactory(ZoneFactory)
    name = factory.Sequence(lambda n: f"host-{n}")
    type = Record.Type.A
    value = "192.0.2.80"


class SecondaryFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Secondary
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"ns-{n}")
    address = "127.0.0.1"
    port = 5399
    tsig_name = factory.Sequence(lambda n: f"key-{n}")

    @factory.post_generation
    def key(self, create, extracted, **kwargs):
        secondary_give_key(secondary=self, secret=extracted or "")
