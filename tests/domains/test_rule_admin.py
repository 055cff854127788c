"""The pages of cache rules, as an operator uses them."""

import json
import re

import pytest
from django.urls import reverse

from domains import limits
from domains.models import CacheCondition, CacheRule
from tests.factories import CacheConditionFactory, CacheRuleFactory, DomainFactory, NodeFactory
from tests.pages import messages_of, sentences_of

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/domains/cacherule/add/"
LIST = "/admin/domains/cacherule/"


def form(*conditions, rule=None, keep=(), **fields):
    """What the browser sends. `conditions`: (what, name, values); `keep`: conditions that exist."""
    data = {"name": "Images", "enabled": "on", "position": 10, "match": "all", **fields}
    rows = [(row.pk, (row.what, row.name, row.values)) for row in keep] + [(None, c) for c in conditions]
    data |= {"conditions-TOTAL_FORMS": len(rows), "conditions-INITIAL_FORMS": len(keep)}
    for number, (pk, (what, name, values)) in enumerate(rows):
        row = {"id": pk or "", "rule": rule.pk if rule else "", "what": what, "name": name, "values": values}
        data |= {f"conditions-{number}-{field}": value for field, value in row.items()}
    return data


def change(rule: CacheRule) -> str:
    return reverse("admin:domains_cacherule_change", args=[rule.pk])


def page_of(client, domain) -> str:
    return client.get(reverse("admin:domains_domain_change", args=[domain.pk])).content.decode()


def published(keyspace, host):
    return json.loads(keyspace.client.get(f"cdn:dom:{host}"))


def test_a_rule_is_added_with_its_conditions_and_published_with_its_domain(admin_client, keyspace):
    domain = DomainFactory(host="a.example")
    answer = admin_client.post(
        ADD,
        form(("prefix", "", "/img/"), ("extension", "", "JPG, png"), domain=domain.pk, edge_ttl=3600),
        follow=True,
    )

    assert answer.redirect_chain, sentences_of(answer)
    assert "if path begins with /img/ and extension is jpg or png → keep 1 h" in answer.content.decode()
    rule = published(keyspace, "a.example")["rules"][0]
    assert rule["then"] == {"edge_ttl": 3600}
    assert [condition["values"] for condition in rule["when"]] == [["/img/"], ["jpg", "png"]]


def test_saving_a_condition_alone_publishes_the_domain(admin_client, keyspace):
    rule = CacheRuleFactory(domain__host="a.example")
    condition = CacheConditionFactory(rule=rule)
    condition.values = "/b/"
    condition.save()
    assert published(keyspace, "a.example")["rules"][0]["when"][0]["values"] == ["/b/"]

    condition.delete()
    assert published(keyspace, "a.example")["rules"][0]["when"] == []

    rule.delete()
    assert "rules" not in published(keyspace, "a.example")


def test_a_rule_that_moves_to_another_domain_leaves_the_first(keyspace):
    rule = CacheRuleFactory(domain__host="a.example")
    CacheConditionFactory(rule=rule)
    rule.domain = DomainFactory(host="b.example")
    rule.save()

    assert "rules" not in published(keyspace, "a.example")
    assert published(keyspace, "b.example")["rules"][0]["name"] == rule.name


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"bypass": "on", "edge_ttl": 60, "key_device": "on"}, "bypass", "edge TTL, kind of device"),
        ({"query_mode": "only"}, "query_names", "Name the arguments"),
        ({"query_names": "a"}, "query_names", "Names mean something only"),
        ({"query_mode": "none", "query_sort": "on"}, "query_sort", "there is no order"),
        ({"strip_cookies": "on", "key_cookies": "currency"}, "key_cookies", "so nothing differs"),
        ({"edge_ttl": 7200}, "edge_ttl", "longer than the domain's maximum TTL"),
        ({"ttl_by_status": "abc: 1"}, "ttl_by_status", "404: 10 or 500-599: 5"),
        (
            {"key_headers": "User-Agent"},
            "key_headers",
            "The rule “Images” cannot keep an object for",
        ),
        ({"key_headers": "a, b, c, d, e, f, g, h, i"}, "key_headers", "at most 8"),
        ({"key_cookies": "PHPSESSID"}, "key_cookies", "for each cookie PHPSESSID"),
        ({"stale_if_error": limits.STALE + 1}, "stale_if_error", "less than or equal to 2592000"),
    ],
)
def test_actions_that_contradict_each_other_or_cannot_be_are_refused_at_their_field(
    admin_client, keyspace, fields, field, sentence
):
    domain = DomainFactory(max_ttl=3600)
    answer = admin_client.post(ADD, form(domain=domain.pk, **fields))

    assert sentence in " ".join(answer.context["adminform"].form.errors.get(field, []))
    assert not CacheRule.objects.exists()


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (("prefix", "", ""), "Give at least one value."),
        (("prefix", "x", "/a"), "Only an argument, a header or a cookie has a name."),
        (("cookie", "", "1"), "Give the name."),
        (("regex", "", "(a+)+"), "exponential time"),
        (("network", "", "10.1.2.3/8"), "the network is 10.0.0.0/8"),
        (("extension", "", "tar.gz"), "follows the last dot"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_with_a_sentence(admin_client, keyspace, condition, sentence):
    answer = admin_client.post(ADD, form(condition, domain=DomainFactory().pk))

    assert sentence in " ".join(sentences_of(answer))
    assert not CacheCondition.objects.exists()


def test_more_conditions_than_an_edge_accepts_are_refused_in_the_form(admin_client, keyspace):
    many = [("prefix", "", f"/{number}") for number in range(limits.CONDITIONS + 1)]
    answer = admin_client.post(ADD, form(*many, domain=DomainFactory().pk))

    assert any("at most 20" in sentence for sentence in sentences_of(answer)), sentences_of(answer)


def test_more_values_than_an_edge_accepts_in_all_rules_are_refused_in_the_form(admin_client, keyspace):
    domain = DomainFactory()
    rule = CacheRuleFactory(domain=domain)
    values = "\n".join(f"/{number}" for number in range(limits.VALUES))
    for _ in range(limits.ALL_VALUES // limits.VALUES):
        CacheConditionFactory(rule=rule, values=values)
    answer = admin_client.post(ADD, form(("prefix", "", "/a"), domain=domain.pk))

    assert any("2,000 values together" in sentence for sentence in sentences_of(answer)), sentences_of(answer)


def test_a_domain_takes_as_many_rules_as_an_edge_does(admin_client, keyspace):
    domain = DomainFactory()
    rules = CacheRule.objects.bulk_create(
        [CacheRule(domain=domain, name=f"Rule {number}") for number in range(limits.RULES)]
    )
    answer = admin_client.post(ADD, form(domain=domain.pk))
    assert "A domain has at most 100 rules." in sentences_of(answer)

    action = {"action": "duplicate", "_selected_action": [rules[0].pk]}
    answer = admin_client.post(LIST, action, follow=True)
    assert messages_of(answer) == ["Rule 0: A domain has at most 100 rules."]


def test_a_new_rule_comes_after_the_others_of_its_domain(admin_client, keyspace):
    domain = DomainFactory()
    CacheRuleFactory(domain=domain, position=30)
    there = admin_client.get(reverse("admin:domains_domain_add_rule", args=[domain.pk]), follow=True)

    assert there.context["adminform"].form.initial == {"domain": str(domain.pk), "position": 40}


def test_on_the_page_of_a_domain_its_rules_are_ordered_and_switched(admin_client, keyspace):
    domain = DomainFactory(host="a.example")
    first, second = CacheRuleFactory(domain=domain, position=1), CacheRuleFactory(domain=domain, position=2)
    data = {"host": "a.example", "enabled": "on", "default_ttl": 300, "max_ttl": 3600, "negative_ttl": 10}
    data |= {"stale_while_revalidate": 10, "stale_if_error": 86_400, "hostnames-TOTAL_FORMS": 0}
    data |= {"hsts_max_age": 0, "tls_policy": "intermediate", "client_auth": "off"}
    data |= {"hostnames-INITIAL_FORMS": 0, "origins-TOTAL_FORMS": 0, "origins-INITIAL_FORMS": 0}
    data |= {"rules-TOTAL_FORMS": 2, "rules-INITIAL_FORMS": 2}
    data |= {"rules-0-id": first.pk, "rules-0-domain": domain.pk, "rules-0-position": 3}
    data |= {"rules-1-id": second.pk, "rules-1-domain": domain.pk, "rules-1-position": 2}
    data |= {"rules-0-enabled": "on", "rules-1-enabled": "on"}
    there = reverse("admin:domains_domain_change", args=[domain.pk])

    answer = admin_client.post(there, data)
    assert answer.status_code == 302, sentences_of(answer)
    assert [rule["id"] for rule in published(keyspace, "a.example")["rules"]] == [second.pk, first.pk]

    del data["rules-1-enabled"]
    admin_client.post(there, data)
    assert [rule["id"] for rule in published(keyspace, "a.example")["rules"]] == [first.pk]


def test_what_makes_a_rule_wrong_on_the_page_of_its_domain_is_said_there(admin_client, keyspace):
    domain = DomainFactory(host="a.example")
    rule = CacheRuleFactory(domain=domain, edge_ttl=3600)
    data = {"host": "a.example", "default_ttl": 60, "max_ttl": 60, "negative_ttl": 10}
    data |= {"stale_while_revalidate": 10, "stale_if_error": 86_400, "hostnames-TOTAL_FORMS": 0}
    data |= {"hsts_max_age": 0, "tls_policy": "intermediate", "client_auth": "off"}
    data |= {"hostnames-INITIAL_FORMS": 0, "origins-TOTAL_FORMS": 0, "origins-INITIAL_FORMS": 0}
    data |= {"rules-TOTAL_FORMS": 1, "rules-INITIAL_FORMS": 1}
    data |= {"rules-0-id": rule.pk, "rules-0-domain": domain.pk, "rules-0-position": 3}
    answer = admin_client.post(reverse("admin:domains_domain_change", args=[domain.pk]), data)

    assert "This is longer than the domain's maximum TTL, which would cut it." in sentences_of(answer)


def test_a_rule_is_edited_and_stays_in_its_domain(admin_client, keyspace):
    rule = CacheRuleFactory(domain__host="a.example")
    condition = CacheConditionFactory(rule=rule)
    other = DomainFactory()
    answer = admin_client.post(
        change(rule), form(rule=rule, keep=[condition], name="New", key_headers="Accept", domain=other.pk)
    )

    assert answer.status_code == 302, sentences_of(answer)
    rule.refresh_from_db()
    assert (rule.name, rule.key_headers, rule.domain.host) == ("New", "accept", "a.example")


def test_rules_are_switched_and_duplicated_by_action(admin_client, keyspace):
    rule = CacheRuleFactory(name="Images", edge_ttl=60)
    CacheConditionFactory(rule=rule)
    action = {"_selected_action": [rule.pk]}

    assert messages_of(admin_client.post(LIST, action | {"action": "disable"}, follow=True)) == [
        "Disabled: Images."
    ]
    rule.refresh_from_db()
    assert not rule.enabled
    admin_client.post(LIST, action | {"action": "enable"})
    rule.refresh_from_db()
    assert rule.enabled

    admin_client.post(LIST, action | {"action": "duplicate"})
    copy = CacheRule.objects.get(name="Copy of Images")
    assert (copy.enabled, copy.edge_ttl, copy.domain) == (False, 60, rule.domain)
    assert copy.position > rule.position
    assert [condition.values for condition in copy.conditions.all()] == ["/img/"]
    assert rule.conditions.count() == 1


def test_many_rules_need_no_more_queries_than_few(admin_client, keyspace, django_assert_max_num_queries):
    NodeFactory()
    domain = DomainFactory()

    def queries(url: str) -> int:
        admin_client.get(url)
        with django_assert_max_num_queries(40) as found:
            admin_client.get(url)
        return len(found)

    pages = [LIST, reverse("admin:domains_domain_change", args=[domain.pk])]
    for _ in range(2):
        CacheConditionFactory(rule__domain=domain)
    few = [queries(page) for page in pages]
    for _ in range(15):
        CacheConditionFactory(rule=CacheConditionFactory(rule__domain=domain).rule)
    assert [queries(page) for page in pages] == few


def test_the_help_says_how_each_thing_is_typed(admin_client, keyspace):
    page = admin_client.get(ADD).content.decode()

    for words in (r"404: 10, 500-599: 5", "/img/*.jpg", "192.0.2.0/24", "accept-language", "Vary: *"):
        assert re.search(re.escape(words), page), words


def test_the_page_of_a_domain_links_to_its_rules(admin_client, keyspace):
    rule = CacheRuleFactory()
    page = page_of(admin_client, rule.domain)

    assert change(rule) in page
    assert reverse("admin:domains_domain_add_rule", args=[rule.domain.pk]) in page


def test_a_rule_behind_one_that_always_holds_is_marked_as_never_reached(admin_client, keyspace):
    first = CacheRuleFactory(name="Everything", position=1, edge_ttl=60)
    CacheRuleFactory(domain=first.domain, position=2)
    CacheRuleFactory(name="Elsewhere")
    mark = "(never reached: rule “Everything” is always first)"

    assert page_of(admin_client, first.domain).count(mark) == 1
    assert admin_client.get(LIST).content.decode().count(mark) == 1

    CacheConditionFactory(rule=first)
    assert mark not in page_of(admin_client, first.domain)


def test_a_rule_without_conditions_and_action_is_refused_and_one_with_conditions_is_not(
    admin_client, keyspace
):
    domain = DomainFactory()
    answer = admin_client.post(ADD, form(domain=domain.pk))
    assert [text for text in sentences_of(answer) if "This rule does nothing" in text]
    assert not CacheRule.objects.exists()

    answer = admin_client.post(ADD, form(("prefix", "", "/img/"), domain=domain.pk))
    assert answer.status_code == 302, sentences_of(answer)
    assert "nothing special (later rules do not count)" in page_of(admin_client, domain)


def test_the_help_says_when_lifetimes_hold_for_requests_with_a_cookie(admin_client, keyspace):
    page = page_of(admin_client, DomainFactory())
    assert "Not for requests with a cookie, unless a rule has an edge TTL" in page
    assert (
        "The origin must give a lifetime, or the rule an edge TTL" in admin_client.get(ADD).content.decode()
    )


def test_below_the_rules_of_a_domain_one_more_can_be_added(admin_client, keyspace):
    domain = DomainFactory()
    assert f'id="add-rule-below" href="{ADD}?domain={domain.pk}"' in page_of(admin_client, domain)
