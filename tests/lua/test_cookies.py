"""Which value of a cookie a key goes by, and where origins may see another one."""

import time

import pytest

from tests.lua.runtime import module

cookies = module("cookies")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (None, None),
        ("", None),
        ("a=b", None),
        ("a=currency", None),
        ("a=b; currency=EUR", "EUR"),
        ("a=b;currency = EUR ;c=d", "EUR"),
        ("currency=", ""),
        ("currency=a=b", "a=b"),
        ("currency=a,b", "a,b"),
        ("my_currency=USD; currency=EUR; currency2=USD", "EUR"),
        ('prefs="a, b"; currency=EUR', "EUR"),
        ('prefs={"a":1}; currency=EUR', "EUR"),
        ("AMCV_1%40AdobeOrg=x; currency=EUR", "EUR"),
    ],
)
def test_a_cookie_that_stands_there_once_has_its_value(field, value):
    assert cookies.find(field, "currency") == (value, False)


@pytest.mark.parametrize(
    "field",
    [
        "currency=EUR; currency=USD",
        "currency=EUR; currency=EUR",
        "currency=EUR; Currency=USD",
        "Currency=EUR",
        "currency",
        "currency; currency=EUR",
        "a=1,currency=USD; currency=EUR",
        "a=1, currency=USD",
        "currenc%79=USD",
        '"currency"=USD',
        'a="; currency=USD; b="',
        'a="\\"; currency=USD; b=\\""',
        "; ".join(["a=b"] * 501),
    ],
)
def test_a_cookie_that_origins_may_read_in_two_ways_is_told(field):
    assert cookies.find(field, "currency")[1]


def test_names_that_some_origins_take_for_one_are_told():
    assert cookies.find("my.currency=USD", "my_currency") == (None, True)
    assert cookies.find("my_currency=USD", "my_currency") == ("USD", False)


@pytest.mark.parametrize("text", [" ", "=", '"', ",", ";a", "currency=,", "%79", "a "])
def test_no_cookie_takes_long(text):
    started = time.perf_counter()
    cookies.find("a" + text * (32_000 // len(text)), "currency")
    assert time.perf_counter() - started < 0.2
