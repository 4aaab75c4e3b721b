"""Requests that a page elsewhere makes a browser send, with the cookie of whoever sits before it."""

import pytest
from starlette.requests import Request

from workbook_lib.kit.errors import Forbidden
from workbook_lib.kit.security.cors import CorsPolicy
from workbook_lib.kit.security.cross_site import refuse_cross_site_write

SHOP = "https://shop.example"
NOBODY = CorsPolicy()
SHOP_MAY = CorsPolicy(origins=[SHOP], credentials=True)


def request(method, **headers):
    named = {"host": "api.example", **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return Request({"type": "http", "method": method, "headers": raw})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site", "origin": "https://evil.test"},
        {"sec_fetch_site": "same-site", "origin": "https://blog.api.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": ""},
        {"sec_fetch_site": "cross-site", "origin": "https://api.example"},
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "https://api.example.evil.test"},
        {"origin": "https://api.example:8443"},
        {"sec_fetch_site": "cross-site", "origin": SHOP},
    ],
)
def test_a_write_that_another_origins_page_had_sent_is_refused(method, headers):
    with pytest.raises(Forbidden):
        refuse_cross_site_write(request(method, **headers), NOBODY)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin", "origin": "https://api.example"},
        {"sec_fetch_site": "none"},  # typed into the address bar
        {"origin": "https://api.example"},
        {},  # no browser
    ],
)
def test_our_own_pages_and_programs_may_write(headers):
    refuse_cross_site_write(request("POST", **headers), NOBODY)


def test_an_origin_that_cors_allows_with_credentials_may_write():
    headers = {"sec_fetch_site": "cross-site", "origin": SHOP}
    refuse_cross_site_write(request("POST", **headers), SHOP_MAY)
    with pytest.raises(Forbidden):
        refuse_cross_site_write(request("POST", **headers), CorsPolicy(origins=["*"]))
    with pytest.raises(Forbidden):
        refuse_cross_site_write(request("POST", **headers | {"origin": "https://evil.test"}), SHOP_MAY)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_no_matter_of_this(method):
    refuse_cross_site_write(request(method, sec_fetch_site="cross-site"), NOBODY)
