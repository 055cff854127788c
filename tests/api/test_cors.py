"""Pages of other origins: shut out, but for those that are named."""

import pytest
from django.test import override_settings

pytestmark = pytest.mark.django_db
NODES = "/api/v1/nodes"
CONSOLE = "https://console.example.com"


def preflight(client, origin: str):
    return client.options(
        NODES,
        HTTP_ORIGIN=origin,
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="authorization,idempotency-key",
    )


def test_without_a_setting_no_page_of_another_origin_may_call(client, keyspace):
    assert "Access-Control-Allow-Origin" not in preflight(client, CONSOLE)
    assert "Access-Control-Allow-Origin" not in client.get(NODES, HTTP_ORIGIN=CONSOLE)


@override_settings(CORS_ALLOWED_ORIGINS=[CONSOLE])
def test_a_named_origin_may_with_a_token_and_never_with_a_session(client, keyspace):
    answer = preflight(client, CONSOLE)
    assert answer["Access-Control-Allow-Origin"] == CONSOLE
    assert {"authorization", "idempotency-key", "if-match"} <= set(
        answer["Access-Control-Allow-Headers"].replace(" ", "").split(",")
    )
    assert "Access-Control-Allow-Credentials" not in answer
    assert "etag" in client.get(NODES, HTTP_ORIGIN=CONSOLE)["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in preflight(client, "https://evil.example")
    assert "Access-Control-Allow-Origin" not in client.get("/healthz", HTTP_ORIGIN=CONSOLE)
