"""A token that is limited to some domains learns of no other name whether there is one."""

import json

import pytest

from domains.models import HostName
from edge.models import Publication, Purge
from tests.api.conftest import with_settings
from tests.certificates.house import the_house
from tests.factories import DomainFactory, HostNameFactory

pytestmark = pytest.mark.django_db(transaction=True)

MINE, FREE, HOST, ALIAS = "mine.example", "ghost.example", "other.example", "alias.example"
AT = "/api/v1/domains"
ORIGIN = {"host": "192.0.2.1"}

#: What a limited token may ask about a NAME that is not its own: method, address, document.
QUESTIONS = [
    ("get", f"{AT}/NAME", None),
    ("get", f"{AT}/NAME/origins", None),
    ("get", f"{AT}/NAME/aliases/NAME", None),
    ("get", f"{AT}/NAME/purges", None),
    ("get", f"{AT}/NAME/status", None),
    ("get", f"{AT}/NAME/traffic", None),
    ("get", f"{AT}/NAME/why?url=/", None),
    ("get", f"{AT}/{MINE}/why?url=http://NAME/", None),
    ("get", f"{AT}/{MINE}/why?url=http://NAME:1@{MINE}/", None),
    ("get", f"{AT}/{MINE}/aliases/NAME", None),
    ("get", f"{AT}?name=NAME", None),
    ("get", f"{AT}?host=NAME", None),
    ("get", f"{AT}?host__in={MINE},NAME", None),
    ("get", f"{AT}?search=NAME", None),
    ("get", "/api/v1/purges?domain=NAME", None),
    ("get", "/api/v1/certificates?host=NAME", None),
    ("get", "/api/v1/certificates?search=NAME", None),
    ("get", "/api/v1/enrollments?search=NAME", None),
    ("get", "/api/v1/enrollments/NAME", None),
    ("get", "/api/v1/orders?host=NAME", None),
    ("get", "/api/v1/sites/NAME", None),
    ("get", "/api/v1/sites/NAME/explain", None),
    ("get", "/api/v1/changes?key=NAME", None),
    ("get", "/api/v1/backoffs?name=NAME", None),
    ("post", AT, {"host": "NAME"}),
    ("post", AT, {"host": "NAME."}),
    ("post", AT, {"host": "*.NAME"}),
    ("post", f"{AT}?dry_run=true", {"host": "NAME"}),
    ("post", AT, {"host": "MINE2.example", "aliases": ["NAME"]}),
    ("put", f"{AT}/NAME", {}),
    ("put", f"{AT}/NAME", {"host": MINE}),
    ("put", f"{AT}/{MINE}", {"host": "NAME"}),
    ("put", f"{AT}/{MINE}", {"aliases": ["not a name", "NAME"]}),
    ("patch", f"{AT}/NAME", {}),
    ("patch", f"{AT}/{MINE}", {"host": "NAME"}),
    ("patch", f"{AT}/{MINE}", {"aliases": ["NAME"]}),
    ("patch", f"{AT}/{MINE}?dry_run=true", {"aliases": ["NAME"]}),
    ("delete", f"{AT}/NAME", None),
    ("post", f"{AT}/NAME/enable", None),
    ("post", f"{AT}/NAME/publish-again", None),
    ("post", f"{AT}/NAME/origins", ORIGIN),
    ("post", f"{AT}/{MINE}/aliases", {"name": "NAME"}),
    ("put", f"{AT}/{MINE}/aliases/NAME", {}),
    ("patch", f"{AT}/{MINE}/aliases/www.{MINE}", {"name": "NAME"}),
    ("post", f"{AT}/bulk", {"items": [{"domain": {"host": "NAME"}}]}),
    ("post", f"{AT}/bulk", {"items": [{"host": MINE, "domain": {"aliases": ["NAME"]}}], "atomic": True}),
    ("post", f"{AT}/bulk", {"items": [{"host": "NAME", "domain": {"host": MINE}}]}),
    ("post", f"{AT}/bulk", {"items": [{"action": "delete", "host": "NAME"}]}),
    ("post", "/api/v1/purges", {"domains": [MINE, "NAME"], "everything": True}),
    ("post", "/api/v1/purges", {"urls": ["http://NAME/a"]}),
    ("post", "/api/v1/purges", {"urls": ["http://NAME/a", "http://NAME/*"]}),
    ("post", "/api/v1/purges", {"domains": [MINE], "urls": ["http://NAME/a"]}),
    ("post", "/api/v1/purges?dry_run=true", {"urls": ["//NAME/a"]}),
    ("post", "/api/v1/purges/bulk", {"items": [{"urls": ["http://NAME/a"]}]}),
    ("post", f"{AT}/{MINE}/purges", {"urls": ["http://NAME/a"]}),
    ("post", f"{AT}/NAME/purges", {"everything": True}),
    ("patch", "/api/v1/enrollments/NAME", {"source": "acme"}),
    ("post", "/api/v1/enrollments/NAME/issue", None),
    ("post", "/api/v1/enrollments/NAME/revoke", None),
    ("patch", "/api/v1/sites/NAME", {}),
    ("post", "/api/v1/tokens", {"name": "x", "scopes": ["domains:read"], "domains": ["NAME"]}),
]


@pytest.fixture
def limited(keyspace, as_role):
    """A token for `mine.example`; `other.example` with its alias is somebody else's."""
    HostNameFactory(domain=DomainFactory(host=MINE, tls=True), name=f"www.{MINE}")
    HostNameFactory(domain=DomainFactory(host=HOST, tls=True), name=ALIAS)
    with with_settings(purge_burst=1):  # the other domain's is used up by its first purge
        yield as_role("superuser", domains=[MINE, "mine2.example"])


def told(client, method, path, document, name):
    """Status, headers and body of an answer, with NAME in place of the name."""
    data = None if document is None else json.loads(json.dumps(document).replace("NAME", name))
    answer = getattr(client, method)(path.replace("NAME", name), data)
    said = [answer.status_code, {**answer.headers}, answer.content.decode()]
    return json.dumps(said).replace(name, "NAME")


@pytest.mark.parametrize(("method", "path", "document"), QUESTIONS, ids=lambda part: str(part))
def test_a_name_of_others_and_a_name_of_nobody_are_answered_alike(limited, method, path, document):
    of_nobody = told(limited, method, path, document, FREE)
    for name in (HOST, ALIAS):
        assert told(limited, method, path, document, name) == of_nobody
    assert HostName.objects.filter(domain__host=MINE).count() == 2
    assert not HostName.objects.filter(name=FREE).exists() and not Purge.objects.exists()
    assert Publication.objects.filter(key=HOST).count() == 2  # its domain, and nothing new of it


def test_a_certificate_for_the_names_of_others_is_answered_like_one_for_names_of_nobody(limited):
    """With domains that are named, with none, and with one's own beside."""
    chain, key = (part.decode() for part in the_house().bundle(MINE, f"www.{MINE}", HOST, ALIAS, FREE))
    sent = {"certificate": chain, "key": key}
    of_nobody = told(limited, "post", "/api/v1/certificates", {**sent, "domains": ["NAME"]}, FREE)
    for name in (HOST, ALIAS):
        answer = told(limited, "post", "/api/v1/certificates", {**sent, "domains": ["NAME"]}, name)
        assert answer == of_nobody and answer.startswith("[403")
    made = limited.post("/api/v1/certificates", sent)
    assert (made.status_code, made.json()["domains"]) == (201, [MINE])


def test_a_limited_token_gives_its_domain_the_names_that_it_lists_and_keeps_those_it_has(keyspace, as_role):
    HostNameFactory(domain=DomainFactory(host=MINE), name=f"www.{MINE}")
    client = as_role("operator", domains=[MINE, "new.example"])
    assert client.put(f"{AT}/{MINE}", client.get(f"{AT}/{MINE}").json()).status_code == 200
    for document in ({"aliases": [f"www.{MINE}", f"img.{MINE}"]}, {"aliases": [f"*.{MINE}"]}):
        refused = client.patch(f"{AT}/{MINE}", document)
        assert refused.status_code == 403
        assert refused.json()["detail"] == f"This token is not for {document['aliases'][-1]}."
    taken = client.patch(f"{AT}/{MINE}", {"aliases": [f"www.{MINE}", "NEW.example"]})
    assert taken.json()["aliases"] == ["new.example", f"www.{MINE}"]
    assert client.delete(f"{AT}/{MINE}/aliases/new.example").status_code == 204
    assert client.put(f"{AT}/{MINE}/aliases/new.example", {}).status_code == 201
