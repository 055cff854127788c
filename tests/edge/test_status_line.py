"""The line on the pages: the list, the change page, its fragment, and what is said after a save."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User
from domains.models import Domain
from edge.models import Outbox, Publication
from tests.edge.keyspace_reader import acknowledge
from tests.factories import DomainFactory, NodeFactory, RegionFactory
from tests.pages import messages_of

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/domains/domain/"
FORM = {
    **{"host": "a.example", "enabled": "on", "default_ttl": 300, "max_ttl": 3600, "negative_ttl": 10},
    **{"stale_while_revalidate": 10, "stale_if_error": 86400, "guard": "on"},
    **{"hsts_max_age": 0, "tls_policy": "intermediate", "client_auth": "off"},
    **{"origins-TOTAL_FORMS": 0, "origins-INITIAL_FORMS": 0},
    **{"hostnames-TOTAL_FORMS": 0, "hostnames-INITIAL_FORMS": 0},
    **{"rules-TOTAL_FORMS": 0, "rules-INITIAL_FORMS": 0},
}


def change(domain: Domain) -> str:
    return reverse("admin:domains_domain_change", args=[domain.pk])


def status(domain: Domain) -> str:
    return reverse("admin:domains_domain_status", args=[domain.pk])


def text_of(response) -> str:
    return response.content.decode()


def test_the_list_and_the_page_say_when_every_edge_has_it(admin_client, keyspace):
    NodeFactory(name="edge-1")
    domain = DomainFactory()
    acknowledge(keyspace, "edge-1")

    for page in (LIST, change(domain)):
        text = text_of(admin_client.get(page))
        assert "on 1 of 1 edges, 0." in text
        assert 'data-tone="ok"' in text


def test_the_page_asks_again_while_it_is_pending_and_then_no_more(admin_client, keyspace):
    NodeFactory(name="edge-1")
    domain = DomainFactory()
    pending = text_of(admin_client.get(change(domain)))
    assert "on 0 of 1 edges, waiting for edge-1" in pending
    assert f'hx-get="{status(domain)}"' in pending

    acknowledge(keyspace, "edge-1")
    fragment = text_of(admin_client.get(status(domain)))
    assert "on 1 of 1 edges" in fragment
    assert "hx-get" not in fragment


def test_a_refusal_is_shown_with_its_reason_and_escaped(admin_client, keyspace):
    NodeFactory(name="edge-1")
    domain = DomainFactory(host="a.example")
    rev = Publication.objects.get(key="a.example")
    why = f'{{"domain:a.example": {{"epoch": {rev.epoch}, "rev": {rev.rev}, "why": "no <b>origins</b>"}}}}'
    acknowledge(keyspace, "edge-1", refusals=why)

    text = text_of(admin_client.get(change(domain)))

    assert "refused by edge-1: no &lt;b&gt;origins&lt;/b&gt;" in text


def test_a_save_with_redis_down_is_accepted_and_says_so(admin_client, keyspace):
    keyspace.stop()
    done = admin_client.post("/admin/domains/domain/add/", FORM | {"_continue": "1"}, follow=True)

    assert Domain.objects.get().host == "a.example"
    (_saved, waiting) = messages_of(done)
    assert waiting.startswith("The change is saved, and not yet on the edges (pending since ")
    assert "Redis cannot be reached" in waiting
    assert 'data-tone="pending"' in text_of(done)


def test_a_save_with_redis_up_says_nothing_more(admin_client, keyspace):
    done = admin_client.post("/admin/domains/domain/add/", FORM, follow=True)

    assert len(messages_of(done)) == 1


@pytest.mark.parametrize("action", [{"action": "disable", "confirmed": "yes"}, {"action": "publish_again"}])
def test_an_action_with_redis_down_says_so(admin_client, keyspace, action):
    domain = DomainFactory()
    keyspace.stop()
    done = admin_client.post(LIST, action | {"_selected_action": [domain.pk]}, follow=True)

    assert any("not yet on the edges" in message for message in messages_of(done))


def test_a_deletion_with_redis_down_says_so(admin_client, keyspace):
    domain = DomainFactory()
    keyspace.stop()
    url = reverse("admin:domains_domain_delete", args=[domain.pk])
    done = admin_client.post(url, {"post": "yes"}, follow=True)

    assert any("not yet on the edges" in message for message in messages_of(done))


def test_a_renamed_region_with_redis_down_says_so(admin_client, keyspace):
    region = RegionFactory()
    NodeFactory(region=region)
    keyspace.stop()
    url = reverse("admin:nodes_region_change", args=[region.pk])
    backups = {"backup_rows-TOTAL_FORMS": 0, "backup_rows-INITIAL_FORMS": 0}
    done = admin_client.post(url, {"name": "eu-north", "title": "", **backups}, follow=True)

    assert any("not yet on the edges" in message for message in messages_of(done))


def test_publishing_again_gives_a_new_revision(admin_client, keyspace):
    domain = DomainFactory()
    before = Publication.objects.get(key=domain.host)
    admin_client.post(LIST, {"action": "publish_again", "_selected_action": [domain.pk]})
    between = Publication.objects.get(key=domain.host)
    admin_client.post(
        "/admin/edge/publication/", {"action": "publish_again", "_selected_action": [before.pk]}
    )
    after = Publication.objects.get(key=domain.host)

    assert before.rev < between.rev < after.rev


def test_the_outbox_shows_what_waits_and_can_be_tried_again(admin_client, keyspace):
    keyspace.stop()
    domain = DomainFactory()
    page = text_of(admin_client.get("/admin/edge/outbox/"))
    assert f"domain {domain.pk}" in page

    keyspace.start()
    rows = list(Outbox.objects.values_list("pk", flat=True))
    admin_client.post("/admin/edge/outbox/", {"action": "try_again", "_selected_action": rows})
    assert not Outbox.objects.exists()
    assert "Nothing waits" in text_of(admin_client.get("/admin/edge/outbox/"))


def test_a_publication_tells_who_has_applied_it(admin_client, keyspace):
    for name in ("edge-1", "edge-2"):
        NodeFactory(name=name)
    domain = DomainFactory()
    acknowledge(keyspace, "edge-1")
    publication = Publication.objects.get(key=domain.host)
    url = reverse("admin:edge_publication_change", args=[publication.pk])

    assert "edge-1: applied, edge-2: pending" in text_of(admin_client.get(url))


def test_machine_state_is_read_only(admin_client, keyspace):
    DomainFactory()
    publication = Publication.objects.get()
    url = reverse("admin:edge_publication_change", args=[publication.pk])

    assert admin_client.get(url).status_code == 200
    assert admin_client.post(url, {"key": "other"}).status_code == 403


def test_the_fragment_is_for_those_who_may_see_the_domain(client, keyspace):
    domain = DomainFactory()
    mallory = User.objects.create_user("mallory", is_staff=True)
    client.force_login(mallory)
    assert client.get(status(domain)).status_code == 404

    mallory.user_permissions.add(Permission.objects.get(codename="view_domain"))
    assert client.get(status(domain)).status_code == 200
    assert client.get(reverse("admin:domains_domain_status", args=[domain.pk + 1])).status_code == 404


def test_deleting_what_is_not_there_is_no_error(admin_client, keyspace):
    assert admin_client.post("/admin/domains/domain/x/delete/", {"post": "yes"}).status_code == 302
