"""Plans: what an apply would do, what it refuses, and in which order it works."""

import pytest

from configuration.errors import RemovesTooMuch
from configuration.exporting import config_export
from dnszones.models import Record
from domains.models import Domain
from nodes.models import Node, Region
from tests.api.config.world import apply, changes, everything, wrong

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_plan_names_each_field_and_does_nothing(installation):
    document = config_export()
    domain = next(each for each in document["domains"] if each["host"] == "www.example.com")
    domain["origins"][1]["port"] = 8443
    document["domains"].append({"host": "new.example.com"})
    document["nodes"] = document["nodes"][:1]
    del domain["steering"]  # it names the node
    before = config_export()
    plan = apply(document, prune=True, plan_only=True, remove_share=0.5)
    assert changes(plan) == [
        ("removed", "nodes", "edge-2"),
        ("created", "domains", "new.example.com"),
        ("changed", "domains", "www.example.com"),
    ]
    changed = next(item for item in plan.items if item.change == "changed")
    assert changed.fields[0].line == "origins[1].port: 8081 → 8443"
    assert config_export() == before


def test_without_prune_nothing_is_removed_and_a_missing_section_is_not_touched(installation):
    assert apply({"version": 1, "nodes": []}).items == []
    plan = apply({"version": 1, "domains": []}, prune=True, remove_share=1)
    assert changes(plan) == [
        ("removed", "domains", "off.example.com"),
        ("removed", "domains", "www.example.com"),
    ]
    assert Node.objects.count() == 2


def test_more_than_the_share_is_not_removed(installation):
    with pytest.raises(RemovesTooMuch, match="1 of 2 domains") as caught:
        apply({"version": 1, "domains": [{"host": "off.example.com", "enabled": False}]}, prune=True)
    assert "Nothing was applied of the plan: 0 created, 1 changed, 1 removed." in str(caught.value)
    assert Domain.objects.count() == 2


def test_a_plan_of_too_much_is_shown_whole_and_says_of_each_kind_that_it_would_be_refused(installation):
    document = config_export()
    document["domains"] = [{"host": "new.example.com"}]
    document["zones"][0]["records"] = []
    before = everything()
    plan = apply(document, prune=True, plan_only=True)
    assert changes(plan) == [
        ("changed", "zones", "cdn.example"),
        ("created", "domains", "new.example.com"),
        ("removed", "domains", "off.example.com"),
        ("removed", "domains", "www.example.com"),
    ]
    assert [note.partition(" and at most")[0] for note in plan.notes] == [
        "An apply would be refused. It would remove 2 of 2 records of zones,",
        "An apply would be refused. It would remove 2 of 2 domains,",
    ]
    assert everything() == before


def test_records_of_zones_are_guarded_too(installation):
    document = config_export()
    document["zones"][0]["records"] = []
    with pytest.raises(RemovesTooMuch, match="2 of 2 records of zones"):
        apply(document)
    assert Record.objects.count() == 2
    apply(document, remove_share=1)
    assert not Record.objects.exists()


def test_what_needs_something_that_comes_later_is_done_after_it(installation):
    document = config_export()
    domains = {each["host"]: each for each in document["domains"]}
    domains["www.example.com"]["aliases"] = []
    domains["off.example.com"]["aliases"] = ["example.com"]  # it stands before the one that gives it up
    document["zones"][0]["serves_sites"] = True
    plan = apply(document)
    assert [item.key for item in plan.items] == ["off.example.com", "www.example.com"]


def test_a_region_is_removed_with_the_nodes_that_leave_it(installation):
    document = config_export()
    document["regions"] = [{"name": "eu-west", "title": "West"}]
    document["nodes"][1]["region"] = "eu-west"
    apply(document, prune=True, remove_share=0.5)
    assert Node.objects.get(name="edge-2").region.name == "eu-west"
    assert Region.objects.count() == 1


def test_what_is_needed_is_not_removed(installation):
    errors = wrong({"version": 1, "regions": []}, prune=True, remove_share=1)
    assert set(errors) == {"regions"}
    assert "eu-east cannot be removed: node edge-2" in errors["regions"]
    assert "eu-west cannot be removed: node edge-1" in errors["regions"]


def test_the_state_of_a_node_is_only_that_of_a_new_one(installation):
    document = config_export()
    Node.objects.filter(name="edge-1").update(state="down")
    assert apply(document).items == []
    assert Node.objects.get(name="edge-1").state == "down"
