"""The portal and the API have the same fields and the same actions; what is in one only has its reason."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.test import RequestFactory
from rest_framework.serializers import BaseSerializer, ListSerializer
from unfold.admin import ModelAdmin

from accounts.models import User
from tests.api.parity import PARITY, PARTS, WITHOUT

PORTAL = {model._meta.label: page for model, page in admin.site._registry.items()}
#: Where the portal keeps actions.
ACTIONS = ("actions", "actions_detail", "actions_list", "actions_row", "actions_submit_line")


#: Verb of the portal → what a viewset has where it can be done.
METHODS = {"add": "create", "change": "partial_update", "delete": "destroy"}


def by_a_superuser():
    """A request of somebody who may do everything."""
    request = RequestFactory().get("/")
    request.user = User(username="boss", is_superuser=True, is_active=True)
    return request


def fields_of_page(page) -> set[str]:
    """The fields of a page, when a row is added and later; those of its inlines are dotted."""
    request, row = by_a_superuser(), page.model()
    found = {name for obj in (None, row) for name in flatten_fieldsets(page.get_fieldsets(request, obj))}
    for inline in page.inlines:
        found |= {f"{inline.model._meta.model_name}.{name}" for name in fields_of_inline(inline)}
    return found


def fields_of_inline(inline) -> set[str]:
    if inline.fieldsets:
        return set(flatten_fieldsets(inline.fieldsets))
    return set(inline.fields or inline.form.base_fields)


def written_in_portal(page) -> set[str]:
    """The fields of a page that people fill in; those of its inlines are dotted."""
    request = by_a_superuser()
    found = set()
    for obj, may in ((None, page.has_add_permission), (page.model(), page.has_change_permission)):
        if may(request):
            shown = set(flatten_fieldsets(page.get_fieldsets(request, obj)))
            found |= shown - set(page.get_readonly_fields(request, obj))
            for inline in page.get_inline_instances(request, obj):
                if not (
                    inline.has_add_permission(request, obj) or inline.has_change_permission(request, obj)
                ):
                    continue
                fields = fields_of_inline(inline) - set(inline.get_readonly_fields(request, obj))
                found |= {f"{inline.model._meta.model_name}.{name}" for name in fields}
    return found


def written_of(serializer, prefix: str = "") -> Iterator[str]:
    """The fields of a document that whoever sends it decides; those of nested ones are dotted."""
    for name, field in serializer.fields.items():
        inner = field.child if isinstance(field, ListSerializer) else field
        if field.read_only:
            continue
        if isinstance(inner, BaseSerializer):
            yield from written_of(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def fields_of(serializer, prefix: str = "") -> Iterator[str]:
    """The fields of a document; those of nested ones are dotted."""
    for name, field in serializer.fields.items():
        inner = field.child if isinstance(field, ListSerializer) else field
        if isinstance(inner, BaseSerializer):
            yield from fields_of(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def in_api(line, name: str) -> set[str]:
    """What a field of the portal is called in the API."""
    there = line.names.get(name, name.replace("origin.", "origins."))
    return {there} if isinstance(there, str) else set(there)


def actions_of_page(page) -> set[str]:
    """Actions and pages of its own."""
    actions = [each for where in ACTIONS for each in getattr(page, where, None) or ()]
    found = {getattr(each, "__name__", each) for each in actions}
    known = {url.name for url in ModelAdmin(page.model, admin.site).get_urls()}
    known |= {f"{page.opts.app_label}_{page.opts.model_name}_{name}" for name in found}  # an action's page
    return found | {url.name for url in page.get_urls() if url.name and url.name not in known}


def test_every_model_of_the_portal_has_a_resource_or_a_reason():
    assert set(PORTAL) == {*PARITY, *WITHOUT}
    assert not set(PARITY) & set(WITHOUT)


@pytest.mark.parametrize("label", PARITY)
def test_a_field_is_in_the_portal_and_in_the_api(label):
    page, line = PORTAL[label], PARITY[label]
    translated = {
        each for name in fields_of_page(page) - set(line.portal_only) for each in in_api(line, name)
    }
    documents = [each() for each in (line.viewset.serializer_class, line.sent, *line.serializers) if each]
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


@pytest.mark.parametrize("label", PARITY)
def test_what_can_be_made_changed_and_deleted_in_the_portal_can_be_by_the_api(label):
    page, line, request = PORTAL[label], PARITY[label], by_a_superuser()
    portal = {
        verb for verb in ("add", "change", "delete") if getattr(page, f"has_{verb}_permission")(request)
    }
    api = {verb for verb, method in METHODS.items() if hasattr(line.viewset, method)}
    assert portal - api == set(line.portal_verbs), "only in the portal"
    assert api - portal == set(line.api_verbs), "only in the API"


@pytest.mark.parametrize("label", PARITY)
def test_a_field_that_is_written_in_the_portal_is_written_by_the_api(label):
    page, line = PORTAL[label], PARITY[label]
    portal = {each for name in written_in_portal(page) - set(line.portal_only) for each in in_api(line, name)}
    writes = any(hasattr(line.viewset, METHODS[verb]) for verb in ("add", "change"))
    api = set(written_of((line.sent or line.viewset.serializer_class)())) if writes else set()
    whole = {name.partition(".")[0] for name in api if "." in name}
    assert portal - api - whole == set(line.portal_writes), "only in the portal"
    assert api - portal - set(line.api_only) == set(line.api_writes), "only in the API"


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_a_domain_has_the_fields_of_its_rows_in_the_portal(name):
    inline = next(each for each in PORTAL["domains.Domain"].inlines if each.model._meta.model_name == name)
    assert set(fields_of(PARTS[name].serializer_class())) - {"id"} == fields_of_inline(inline)
