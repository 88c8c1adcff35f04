"""Names and origins: whose requests are answered."""

import pytest

from demo.server.hosts import Hosts, name_of, visitor_address
from demo.settings import Settings


@pytest.fixture(autouse=True)
def no_space(monkeypatch):
    for name in ("SPACE_ID", "SPACE_HOST"):
        monkeypatch.delenv(name, raising=False)


def accepts(asked, **settings):
    return Hosts(Settings(**settings)).accept({"host": asked})


def test_name_of_drops_port_and_brackets():
    names = [name_of(host) for host in ("LOCALHOST:7860", "[::1]:7860", "a.b", "::1", "127.0.0.1")]
    assert names == ["localhost", "::1", "a.b", "::1", "127.0.0.1"]


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1:7860", "[::1]:7860", "LocalHost"])
def test_hosts_accept_loopback_names(host):
    assert accepts(host) and accepts(host, host="0.0.0.0")


@pytest.mark.parametrize("host", ["rebound.example", "localhost.example", "127.0.0.1.example", "", "192.168.0.7"])
def test_hosts_refuse_names_that_others_can_point_here(host):
    assert not accepts(host)
    assert host == "192.168.0.7" or not accepts(host, host="0.0.0.0")


def test_hosts_accept_addresses_where_the_network_may_come():
    assert accepts("192.168.0.7:7860", host="0.0.0.0")  # no name of anybody's points to it


def test_hosts_accept_what_the_host_allows():
    assert accepts("vip.example.org", allowed_hosts=("vip.example.org",))
    assert accepts("a.example.org", allowed_hosts=(".example.org",))
    assert not accepts("badexample.org", allowed_hosts=(".example.org",))


def test_hosts_accept_the_space(monkeypatch):
    monkeypatch.setenv("SPACE_HOST", "you-vip.hf.space")
    assert accepts("you-vip.hf.space", host="0.0.0.0") and not accepts("me-vip.hf.space", host="0.0.0.0")


def test_hosts_check_what_a_stated_proxy_passes_on():
    headers = {"host": "127.0.0.1:7860", "x-forwarded-host": "rebound.example"}
    assert not Hosts(Settings(proxies=1)).accept(headers)
    assert Hosts(Settings(proxies=1, allowed_hosts=("rebound.example",))).accept(headers)


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        (None, True),
        ("http://127.0.0.1:7860", True),
        ("http://127.0.0.1:7861", False),
        ("http://localhost:7860", False),
        ("http://evil.example", False),
        ("null", False),
        ("file://", False),
    ],
)
def test_own_origin_is_the_page_of_this_server(origin, own):
    headers = {"host": "127.0.0.1:7860", **({} if origin is None else {"origin": origin})}
    assert Hosts(Settings()).own_origin(headers) is own


@pytest.mark.parametrize(
    ("site", "mode", "own"),
    [("same-origin", "cors", True), ("none", "navigate", True), ("cross-site", "navigate", True),
     ("cross-site", "no-cors", False), ("same-site", "no-cors", False)],
)  # fmt: skip
def test_own_origin_without_the_header_is_told_by_fetch_metadata(site, mode, own):
    headers = {"host": "localhost", "sec-fetch-site": site, "sec-fetch-mode": mode}
    assert Hosts(Settings()).own_origin(headers) is own


def test_own_origin_behind_a_proxy_is_the_name_that_was_asked_for():
    headers = {"host": "127.0.0.1:7860", "x-forwarded-host": "vip.example", "origin": "https://vip.example"}
    assert Hosts(Settings(proxies=1)).own_origin(headers)
    assert not Hosts(Settings()).own_origin(headers)  # nobody vouches for the header


def test_visitor_address_counts_proxies_from_the_right():
    headers = {"x-forwarded-for": "made up, 203.0.113.9, 10.0.0.2"}
    assert [visitor_address(("10.0.0.1", 1), headers, n) for n in (0, 1, 2)] == ["10.0.0.1", "10.0.0.2", "203.0.113.9"]
    assert visitor_address(("10.0.0.1", 1), {"x-forwarded-for": "a"}, 2) == "10.0.0.1"
