"""What must not be stored or sent on, lest one client poisons the cache for others."""

import pytest

from tests.lua.runtime import module

guards = module("guards")


@pytest.mark.parametrize(
    ("path", "content_type", "mislabelled"),
    [
        ("/account/x.css", "text/html; charset=utf-8", True),
        ("/account/x.CSS", "text/html", True),
        ("/account;x.js", "TEXT/HTML", True),
        ("/api/me/photo.png", "application/json", True),
        ("/logo.svg", "application/xhtml+xml", True),
        ("/a.css", "text/css", False),
        ("/a.js", "application/javascript; charset=utf-8", False),
        ("/a.mjs", "text/javascript", False),
        ("/a.js.map", "application/json", False),
        ("/a.woff2", "application/font-woff2", False),
        ("/a.png", "image/webp", False),
        ("/a.svg", "image/svg+xml", False),
        ("/a.zip", "application/octet-stream", False),
        ("/a.js", "text/plain", False),
        ("/a.css", None, False),
        ("/a.html", "text/html", False),
        ("/a.php", "text/html", False),
        ("/css", "text/html", False),
        ("/a.css/", "text/html", False),
    ],
)
def test_a_page_in_the_clothes_of_a_static_file_is_recognised(path, content_type, mislabelled):
    assert guards.is_mislabelled(path, content_type) is mislabelled
