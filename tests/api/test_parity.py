"""The portal and the API have the same fields and the same actions; what is in one only has its reason."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from rest_framework.serializers import BaseSerializer, ListSerializer
from unfold.admin import ModelAdmin

from tests.api.parity import JOINING, PARITY, PARTS, WITHOUT

PORTAL = {model._meta.label: page for model, page in admin.site._registry.items()}
#: Where the portal keeps actions.
ACTIONS = ("actions", "actions_detail", "actions_list", "actions_row", "actions_submit_line")


def fields_of_page(page) -> set[str]:
    """The fields of a page; those of its inlines are dotted."""
    found = set(flatten_fieldsets(page.fieldsets or []))
    found |= set(flatten_fieldsets(getattr(page, "add_fieldsets", None) or []))
    for inline in page.inlines:
        found |= {f"{inline.model._meta.model_name}.{name}" for name in fields_of_inline(inline)}
    return found


def fields_of_inline(inline) -> set[str]:
    if inline.fieldsets:
        return set(flatten_fieldsets(inline.fieldsets))
    return set(inline.fields or inline.form.base_fields)


def fields_of(serializer, prefix: str = "") -> Iterator[str]:
    """The fields of a document; those of nested ones are dotted."""
    for name, field in serializer.fields.items():
        inner = field.child if isinstance(field, ListSerializer) else field
        if isinstance(inner, BaseSerializer):
            yield from fields_of(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def actions_of_page(page) -> set[str]:
    """Actions and pages of its own."""
    actions = [each for where in ACTIONS for each in getattr(page, where, None) or ()]
    found = {getattr(each, "__name__", each) for each in actions}
    known = {url.name for url in ModelAdmin(page.model, admin.site).get_urls()}
    known |= {f"{page.opts.app_label}_{page.opts.model_name}_{name}" for name in found}  # an action's page
    return found | {url.name for url in page.get_urls() if url.name and url.name not in known}


def test_every_model_of_the_portal_has_a_resource_or_a_reason():
    assert set(PORTAL) == {*PARITY, *WITHOUT, *JOINING}


@pytest.mark.parametrize("label", PARITY)
def test_a_field_is_in_the_portal_and_in_the_api(label):
    page, line = PORTAL[label], PARITY[label]
    translated = set()
    for name in fields_of_page(page) - set(line.portal_only):
        there = line.names.get(name, name.replace("origin.", "origins."))
        translated |= {there} if isinstance(there, str) else set(there)
    documents = [line.viewset.serializer_class(), *(each() for each in line.serializers)]
    found = {name for document in documents for name in fields_of(document)}
    whole = {name.partition(".")[0] for name in found if "." in name}
    assert translated - found - whole == set(), "only in the portal"
    assert found - translated - set(line.api_only) == set(), "only in the API"
    assert set(line.api_only) <= found and set(line.portal_only) <= fields_of_page(page), "a stale line"


@pytest.mark.parametrize("label", PARITY)
def test_an_action_is_in_the_portal_and_in_the_api(label):
    page, line = PORTAL[label], PARITY[label]
    assert actions_of_page(page) - set(line.actions) == set(), "only in the portal"
    assert set(line.actions) <= actions_of_page(page), "a stale line"
    in_api = {extra.__name__ for extra in line.viewset.get_extra_actions()}
    meant = {name for name in line.actions.values() if not name.startswith("-")}
    assert meant <= in_api, "only in the portal"
    assert in_api - meant - set(line.api_actions) == set(), "only in the API"


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_a_domain_has_the_fields_of_its_rows_in_the_portal(name):
    inline = next(each for each in PORTAL["domains.Domain"].inlines if each.model._meta.model_name == name)
    assert set(fields_of(PARTS[name].serializer_class())) - {"id"} == fields_of_inline(inline)
