"""Purges in the portal: the form, the list, the page that follows each edge, the ways from a domain."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User
from edge.models import Purge
from tests.edge.keyspace_reader import acknowledge, documents
from tests.factories import CacheRuleFactory, DomainFactory, NodeFactory
from tests.pages import messages_of, sentences_of

pytestmark = pytest.mark.django_db(transaction=True)

ADD, LIST = "/admin/edge/purge/add/", "/admin/edge/purge/"


@pytest.fixture
def domain(keyspace):
    NodeFactory(name="edge-1")
    return DomainFactory(host="www.example.com")


def page(purge):
    return reverse("admin:edge_purge_change", args=[purge.pk])


def status(purge):
    return reverse("admin:edge_purge_status", args=[purge.pk])


def text_of(response):
    return response.content.decode()


def form(domain, names="", what="url", **fields):
    return {"domain": domain.pk if domain else "", "what": what, "names": names, "note": "", **fields}


def operator(*codenames):
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def test_urls_are_purged_and_the_page_follows_them(admin_client, keyspace, domain):
    response = admin_client.post(ADD, form(domain, "/a\r\n\r\nhttps://www.example.com/b?x\r\n"), follow=True)
    purge = Purge.objects.get()
    assert response.redirect_chain == [(page(purge), 302)]
    assert messages_of(response) == ["Asked to be purged: www.example.com: /a, /b?x."]
    assert (purge.requested_by.username, purge.soft, purge.targets) == ("admin", False, 2)
    assert [row[0] for row in documents(keyspace, "purge")["www.example.com"]["urls"]] == ["/a", "/b?x"]

    text = text_of(response)
    assert "applied on 0 of 1 edges, waiting for edge-1" in text
    assert f'hx-get="{status(purge)}"' in text
    assert "/b?x" in text

    acknowledge(keyspace, "edge-1")
    fragment = text_of(admin_client.get(status(purge)))
    assert "done: on 1 of 1 edges, 0." in fragment
    assert "edge-1: applied" in fragment
    assert "hx-get" not in fragment
    assert "done: on 1 of 1 edges" in text_of(admin_client.get(LIST))


def test_whole_urls_of_two_domains_need_no_domain_and_are_two_purges(admin_client, domain):
    DomainFactory(host="b.example")
    lines = "https://www.example.com/a\nhttps://b.example/b"
    response = admin_client.post(ADD, form(None, lines, soft="on"), follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    assert [purge.soft for purge in Purge.objects.all()] == [True, True]


@pytest.mark.parametrize(("what", "names", "field"), [("prefix", "/img/", "prefixes"), ("tag", "A", "tags")])
def test_prefixes_and_tags_are_purged(admin_client, keyspace, domain, what, names, field):
    admin_client.post(ADD, form(domain, names, what))
    assert documents(keyspace, "purge")["www.example.com"][field][0][0] == names.lower()


def test_everything_needs_a_yes(admin_client, keyspace, domain):
    response = admin_client.post(ADD, form(domain, what="all"))
    assert sentences_of(response) == ["Say that everything of the domain is meant."]
    assert not Purge.objects.exists()
    admin_client.post(ADD, form(domain, what="all", confirmed="on"))
    assert documents(keyspace, "purge")["www.example.com"]["all"] == [Purge.objects.get().rev, 0]


def test_what_cannot_be_purged_is_said_at_its_field(admin_client, domain, settings):
    assert "a star is no wildcard" in sentences_of(admin_client.post(ADD, form(domain, "/img/*")))[0]
    assert (
        "No domain has the host name"
        in sentences_of(admin_client.post(ADD, form(domain, "https://other.example/")))[0]
    )
    assert sentences_of(admin_client.post(ADD, form(domain)))[0].startswith("Say what to purge")
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"purge_burst": 1})
    assert "CIRRUS_PURGE_BURST" in sentences_of(admin_client.post(ADD, form(domain, "/a\n/b")))[0]
    assert not Purge.objects.exists()


def test_with_redis_down_a_purge_is_accepted_and_says_that_it_waits(admin_client, keyspace, domain):
    keyspace.stop()
    response = admin_client.post(ADD, form(domain, "/a"), follow=True)
    done, waiting = messages_of(response)
    assert done == "Asked to be purged: www.example.com: /a."
    assert waiting.startswith("The purge is saved, and not yet on the edges (queued since")
    assert "Redis cannot be reached" in text_of(response)


def test_a_domain_leads_to_the_form_of_its_purge(admin_client, domain):
    change = reverse("admin:domains_domain_change", args=[domain.pk])
    text = text_of(admin_client.get(change))
    for name, where in [
        ("purge_some", f"{ADD}?domain={domain.pk}"),
        ("purge_all", f"{ADD}?domain={domain.pk}&what=all"),
    ]:
        way = reverse(f"admin:domains_domain_{name}", args=[domain.pk])
        assert way in text
        response = admin_client.get(way)
        assert response.headers["Location"] == where
        assert admin_client.get(where).status_code == 200


def test_everything_of_chosen_domains_is_purged_after_a_question(admin_client, keyspace, domain):
    asked = {"action": "purge_everything", "_selected_action": [domain.pk]}
    text = text_of(admin_client.post("/admin/domains/domain/", asked))
    assert "The edges will forget all that they have cached of this domain" in text
    assert not Purge.objects.exists()
    response = admin_client.post("/admin/domains/domain/", {**asked, "confirmed": "yes"}, follow=True)
    assert "Asked to be purged: www.example.com: everything." in messages_of(response)
    assert documents(keyspace, "purge")["www.example.com"]["all"][0] > 0


def test_who_may_not_purge_cannot(client, domain):
    client.force_login(operator("view_domain", "change_domain", "view_purge"))
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, form(domain, "/a")).status_code == 403
    change = reverse("admin:domains_domain_change", args=[domain.pk])
    assert "purge_some" not in text_of(client.get(change))
    client.post(
        "/admin/domains/domain/",
        {"action": "purge_everything", "_selected_action": [domain.pk], "confirmed": "yes"},
    )
    assert not Purge.objects.exists()
    assert client.get(LIST).status_code == 200


def test_who_may_purge_but_not_look_is_led_home(client, domain):
    client.force_login(operator("add_purge", "view_domain"))
    response = client.post(ADD, form(domain, "/a"))
    assert response.headers["Location"] == reverse("admin:index")
    assert client.get(status(Purge.objects.get())).status_code == 404


def test_a_purge_can_be_neither_changed_nor_deleted(admin_client, domain):
    admin_client.post(ADD, form(domain, "/a"))
    purge = Purge.objects.get()
    assert admin_client.post(page(purge), form(domain, "/b")).status_code == 403
    assert admin_client.get(reverse("admin:edge_purge_delete", args=[purge.pk])).status_code == 403


def test_the_dashboard_leads_from_a_purge_to_its_domain(admin_client, domain):
    before = text_of(admin_client.get("/admin/")).count(f"/domain/{domain.pk}/change/")
    admin_client.post(ADD, form(domain, "/a"))
    assert text_of(admin_client.get("/admin/")).count(f"/domain/{domain.pk}/change/") == before + 1


def test_of_thousands_of_targets_the_page_shows_the_first(admin_client, domain):
    lines = "\n".join(f"/{n}/" for n in range(301))
    text = text_of(admin_client.post(ADD, form(domain, lines), follow=True))
    assert "url: /199/" in text
    assert "url: /200/" not in text
    assert "and 101 more" in text


def test_a_purge_that_is_widened_says_so_at_once_and_on_its_page(admin_client, domain):
    CacheRuleFactory(domain=domain, query_mode="none")
    response = admin_client.post(ADD, form(domain, "/s/a?x=1"), follow=True)
    why = "a rule of this domain changes the query in keys, so all queries of /s/a are purged."
    assert messages_of(response)[1] == f"www.example.com: /s/a – widened: {why}"
    assert f"Widened: {why}" in text_of(admin_client.get(status(Purge.objects.get())))
    assert "where a rule of the domain changes the query in keys" in text_of(admin_client.get(ADD))


def test_the_button_and_the_columns_say_what_they_mean(admin_client, domain):
    assert re.search(r'name="_save"[^>]*>\s*Purge\s*<', text_of(admin_client.get(ADD)))
    admin_client.post(ADD, form(domain, what="all", confirmed="on", soft="on"))
    purge = Purge.objects.get()
    assert re.search(r"field-how[^>]*>\s*soft\s*<", text_of(admin_client.get(LIST)))
    shown = admin_client.get(page(purge))
    assert ">soft<" in re.sub(r"\s+", "", text_of(shown))
    assert ">1<" not in re.sub(r"\s+", "", text_of(shown))
    admin_client.post(ADD, form(domain, "/a"))
    assert ">1<" in re.sub(r"\s+", "", text_of(admin_client.get(page(Purge.objects.first()))))
