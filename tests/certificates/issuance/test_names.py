"""Which names are ordered, and what their challenges are called."""

from certificates.issuance.names import challenge_name, ordered_names


def test_the_primary_name_stands_first_and_each_name_once():
    names = ordered_names("www.example.com", ["a.example.com", "www.example.com", "Z.example.net".lower()])
    assert names == ["www.example.com", "a.example.com", "z.example.net"]


def test_a_name_that_a_wildcard_beside_it_covers_is_left_out():
    names = ordered_names("*.example.com", ["www.example.com", "example.com", "a.b.example.com"])
    assert names == ["*.example.com", "a.b.example.com", "example.com"]


def test_a_wildcard_is_proven_at_its_base_name():
    assert challenge_name("*.example.com") == challenge_name("example.com") == "_acme-challenge.example.com"
