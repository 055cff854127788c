"""The portal as a whole: every page opens, nothing is open to strangers, what the headers allow."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import get_resolver, reverse

from nodes.models import Region
from tests.edge.keyspace_reader import acknowledge
from tests.factories import DomainFactory, NodeFactory, RegionFactory

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = [(model, page) for model in admin.site._registry for page in ("changelist", "add")]


def url_of(model, page: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


@pytest.mark.parametrize(("model", "page"), PAGES, ids=lambda value: getattr(value, "__name__", value))
def test_every_page_opens_for_a_superuser_in_the_theme(admin_client, keyspace, model, page):
    answer = admin_client.get(url_of(model, page))

    if admin.site._registry[model].has_add_permission(answer.wsgi_request) or page == "changelist":
        assert answer.status_code == 200
        assert "unfold/css/styles.css" in answer.content.decode()
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model.__name__)
def test_every_list_says_what_belongs_there(model):
    admin_class = admin.site._registry[model]
    assert getattr(admin_class, "empty_text", "") or model.__name__ in ("User", "Group")


def test_every_model_of_ours_can_be_looked_at():
    ours = {
        "domains.domain",
        "nodes.node",
        "nodes.region",
        "accounts.user",
        "edge.outbox",
        "edge.publication",
    }

    assert ours <= {model._meta.label_lower for model in admin.site._registry}


def test_strangers_see_the_login_page_and_nothing_else(client, keyspace):
    domain = DomainFactory()
    addresses = [url_of(model, page) for model, page in PAGES]
    addresses += [reverse("admin:index"), reverse("admin:domains_domain_status", args=[domain.pk])]
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/"), address


def test_the_only_addresses_outside_the_portal_are_known():
    names = {str(pattern.pattern) for pattern in get_resolver().url_patterns}

    assert names == {"", "admin/", "api/v1/", "healthz", "metrics"}


def test_the_root_leads_to_the_portal(client):
    assert client.get("/")["Location"] == "/admin/"


def test_scripts_may_be_evaluated_in_the_portal_only_and_come_from_us_alone(client, keyspace):
    login, health, missing = (client.get(path) for path in ("/admin/login/", "/healthz", "/nothing"))

    assert "script-src 'self' 'unsafe-eval';" in login["Content-Security-Policy"]
    assert "http" not in login["Content-Security-Policy"]
    for answer in (health, missing):
        assert answer["Content-Security-Policy"].startswith("default-src 'none';")
        assert "unsafe" not in answer["Content-Security-Policy"]
    for answer in (login, health, missing):
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"


def test_no_page_has_a_script_in_its_markup(admin_client, keyspace):
    domain = DomainFactory()
    for address in ("/admin/", reverse("admin:domains_domain_change", args=[domain.pk])):
        page = admin_client.get(address).content.decode()
        assert "<script>" not in page
        assert "onclick=" not in page


def test_the_overview_tells_a_newcomer_the_first_three_steps(admin_client, keyspace):
    page = admin_client.get("/admin/").content.decode()

    for step in ("1. Add a node", "2. Start its edge", "3. Add a domain with an origin"):
        assert step in page


def test_the_overview_shows_edges_changes_and_refusals(admin_client, keyspace):
    NodeFactory(name="edge-1")
    DomainFactory(host="www.a.example")
    refusals = '{"domain:www.a.example": {"epoch": 1, "rev": 1, "why": "it has no origins"}}'
    acknowledge(keyspace, "edge-1", refusals=refusals)
    page = admin_client.get("/admin/").content.decode()

    assert "The first three steps" not in page
    assert "every saved change is in Redis" in page
    assert "edge-1 refuses domain:www.a.example, revision 1: it has no origins" in page.replace("</a>", "")
    assert "www.a.example" in page


def test_the_overview_with_redis_down_counts_what_waits(admin_client, keyspace):
    keyspace.stop()
    RegionFactory()
    NodeFactory(name="edge-1")
    page = admin_client.get("/admin/").content.decode()

    assert "1 changed object not in Redis yet" in page
    assert "not known: Redis cannot be reached" in page


def test_the_overview_does_not_send_people_back_to_the_first_steps_in_an_outage(admin_client, keyspace):
    node = NodeFactory(name="edge-1")
    DomainFactory()
    keyspace.stop()
    node.save()
    node.save()
    page = admin_client.get("/admin/").content.decode()

    assert "not known: Redis cannot be reached" in page
    assert "1 changed object not in Redis yet" in page
    assert "The first three steps" not in page


def test_the_overview_does_not_send_people_back_when_all_edges_are_down(admin_client, keyspace):
    node = NodeFactory(name="edge-1")
    DomainFactory()
    acknowledge(keyspace, "edge-1")
    node.state = node.State.DOWN
    node.save()
    assert "The first three steps" not in admin_client.get("/admin/").content.decode()


def test_times_are_written_so_that_they_sort(admin_client, keyspace):
    domain = DomainFactory()

    assert (
        f"{domain.updated_at:%Y-%m-%d %H:%M:%S}"
        in admin_client.get("/admin/domains/domain/").content.decode()
    )


def test_of_two_people_who_add_the_same_name_at_once_one_is_told_so(admin_user, keyspace):
    both_have_looked = threading.Barrier(2)

    def meet(**_):
        try:
            both_have_looked.wait(timeout=2)
        except threading.BrokenBarrierError:
            pass  # one has come alone: the database lets no second one in before the first has saved

    def add(title):
        client = Client()
        client.force_login(admin_user)
        try:
            form = {"backup_rows-TOTAL_FORMS": 0, "backup_rows-INITIAL_FORMS": 0}
            return client.post("/admin/nodes/region/add/", {"name": "eu-west", "title": title, **form})
        finally:
            connection.close()

    pre_save.connect(meet, sender=Region)
    try:
        with ThreadPoolExecutor(2) as people:
            answers = sorted(people.map(add, ["One", "Other"]), key=lambda answer: answer.status_code)
    finally:
        pre_save.disconnect(meet, sender=Region)

    late, first = answers
    assert (late.status_code, first.status_code) == (200, 302)
    assert "Region with this Name already exists." in late.content.decode()
    loser = "Other" if Region.objects.get().title == "One" else "One"
    assert f'value="{loser}"' in late.content.decode()
