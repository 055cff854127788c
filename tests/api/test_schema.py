"""The OpenAPI document says everything, with an example of every operation."""

import json

import pytest

from api.documents import document
from api.scopes import RESOURCES

DOCUMENT = json.loads(document())
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def successes(operation):
    return {code: answer for code, answer in operation["responses"].items() if code < "300"}


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_an_operation_says_what_it_needs_and_how_it_fails_and_shows_an_example(name, operation):
    assert "Needs the scope" in operation["description"] or operation["tags"] == ["general"]
    assert {"401", "403", "429", "503"} <= set(operation["responses"])
    for body in [operation.get("requestBody", {}), *successes(operation).values()]:
        for media in body.get("content", {}).values():
            rehearsed = media["schema"] == {"$ref": "#/components/schemas/DryRun"}
            assert "examples" in media or rehearsed, f"{name} has no example"


def test_it_is_openapi_3_1_and_every_tag_is_a_resource():
    assert DOCUMENT["openapi"].startswith("3.1")
    assert {tag for _, operation in OPERATIONS for tag in operation["tags"]} <= {*RESOURCES, "general"}


def test_every_change_of_one_thing_names_if_match_and_what_is_answered_where_it_does_not_hold():
    conditional = {
        name
        for name, operation in OPERATIONS
        if any(parameter["name"] == "If-Match" for parameter in operation["parameters"])
    }
    assert {name for name, operation in OPERATIONS if "412" in operation["responses"]} == conditional
    assert "POST /api/v1/enrollments/{host}/revoke" in conditional
    assert "POST /api/v1/domains/{host}/origins" not in conditional


def links_of(name: str) -> dict[str, dict[str, str]]:
    """Where what this operation makes leads: operation → the names of its address."""
    made = dict(OPERATIONS)[name]["responses"]["201"]
    labels = {operation["operationId"]: label for label, operation in OPERATIONS}
    return {labels[link["operationId"]]: link["parameters"] for link in made["links"].values()}


def test_what_is_made_leads_to_all_that_can_be_done_with_it():
    node = links_of("POST /api/v1/nodes")
    assert {label.partition(" ")[0] for label in node} == {"GET", "PUT", "PATCH", "DELETE", "POST"}
    assert "POST /api/v1/nodes/{name}/drain" in node
    assert set(map(str, node.values())) == {str({"name": "$response.body#/name"})}
    assert links_of("PUT /api/v1/nodes/{name}")["GET /api/v1/nodes/{name}"] == {"name": "$request.path.name"}


@pytest.mark.parametrize(
    ("made_by", "there", "parameters"),
    [
        (
            "POST /api/v1/zones/{apex}/records",
            "DELETE /api/v1/zones/{apex}/records/{id}",
            {"apex": "$request.path.apex", "id": "$response.body#/id"},
        ),
        (
            "POST /api/v1/domains/{host}/rules/{id}/duplicate",
            "GET /api/v1/domains/{host}/rules/{id}",
            {"host": "$request.path.host", "id": "$response.body#/id"},
        ),
        (
            "POST /api/v1/certificates",
            "GET /api/v1/certificates/{id}/chain",
            {"id": "$response.body#/certificate/id"},
        ),
    ],
)
def test_a_part_is_found_by_its_whole_and_by_what_the_answer_says(made_by, there, parameters):
    assert links_of(made_by)[there] == parameters


def test_the_document_and_its_page_need_no_login_and_no_other_server(client):
    answer = client.get("/api/v1/openapi.json")
    assert answer.json()["paths"].keys() == DOCUMENT["paths"].keys()
    page = client.get("/api/v1/docs/")
    assert page.status_code == 200
    assert "script-src 'self';" in page["Content-Security-Policy"]
    text = page.content.decode()
    assert "http://" not in text
    assert "https://" not in text
    assert "<script>" not in text
