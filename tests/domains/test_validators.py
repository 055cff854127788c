"""Origins and Host headers in their one stored form."""

import pytest
from django.core.exceptions import ValidationError

from domains.validators import normalize_host_header, normalize_origin_host, validate_origin_host


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("[2001:DB8::1]", "2001:db8::1"), (" 192.0.2.1 ", "192.0.2.1"), ("A.Example.", "a.example")],
)
def test_an_origin_host_has_one_form(typed, stored):
    assert normalize_origin_host(typed) == stored


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("A.Example", "a.example"),
        ("A.Example:8080", "a.example:8080"),
        ("[2001:DB8::1]:443", "[2001:db8::1]:443"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("192.0.2.1:80", "192.0.2.1:80"),
    ],
)
def test_a_host_header_keeps_its_port_and_brackets_an_ipv6_address(typed, stored):
    assert normalize_host_header(typed) == stored


def test_an_exception_lets_an_edge_connect_to_a_forbidden_network(settings):
    validate_origin_host("127.0.0.1")  # the tests' own exception
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"origin_allow": []})
    with pytest.raises(ValidationError, match="CIRRUS_ORIGIN_DENY"):
        validate_origin_host("127.0.0.1")
