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


@pytest.mark.parametrize("hidden", ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"])
def test_a_forbidden_address_is_forbidden_inside_an_ipv6_one_as_well(settings, hidden):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"origin_allow": []})
    with pytest.raises(ValidationError, match="CIRRUS_ORIGIN_DENY"):
        validate_origin_host(hidden)
    validate_origin_host("64:ff9b::808:808")


def test_an_address_with_a_zone_is_refused_here_as_an_edge_would_refuse_it():
    with pytest.raises(ValidationError, match="zone"):
        normalize_origin_host("2001:db8::1%eth0")
