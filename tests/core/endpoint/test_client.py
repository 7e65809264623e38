"""Which addresses and keys an endpoint may have: on a Space no private address, however it is written."""

from __future__ import annotations

import pytest

from core.endpoint.client import Endpoint, checked_key, checked_url, public_address
from core.errors import UserError


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://example.com/v1", "begins with http:// or https://"),
        ("file:///etc/passwd", "begins with"),
        ("example.com", "begins with"),
        ("http://", "begins with"),
        ("http://[::1", "no address"),
        ("http://x:99999/", "no address"),
        ("https://user:pw@example.com/v1", "holds a name, a key or a query"),
        ("https://example.com/v1?key=1", "holds a name, a key or a query"),
        ("https://@example.com/v1", "holds a name, a key or a query"),
        ("https://:@example.com/v1", "holds a name, a key or a query"),
        ("https://8.8.8.8\\@127.0.0.1/v1", "begins with"),
        ("https://exa mple.com/v1", "begins with"),
        ("", "begins with"),
    ],
)
def test_addresses_that_cannot_be(url, sentence):
    with pytest.raises(UserError, match=sentence):
        checked_url(url, False)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "169.254.169.254", "172.16.0.9", "0.0.0.0", "100.64.0.1",
     "[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1",
     "2130706433", "0x7f000001", "127.1", "0177.0.0.1", "0x7f.1", "127.0.0.1.", "localhost.", "①②⑦.0.0.1", "0",
     "192.0.0.192", "168.63.129.16", "192.88.99.1", "100.100.100.200", "[::127.0.0.1]", "[64:ff9b:1::a00:1]", "[::]",
     "[fd00:ec2::254]", "[2001:0:7f00:1::]", "[::ffff:0:127.0.0.1]", "[fec0::1]", "[3fff::1]", "[5f00::1]"],
)  # fmt: skip
def test_a_space_asks_no_private_address(host):
    """Whatever way it is written."""
    with pytest.raises(UserError, match="not a public address|not known"):
        checked_url(f"https://{host}/v1", True)


def test_what_a_space_and_a_laptop_may_ask():
    assert checked_url(" http://127.0.0.1:11434/v1/chat/completions/ ", False) == "http://127.0.0.1:11434/v1"
    assert checked_url("https://8.8.8.8/v1", True) == "https://8.8.8.8/v1"
    with pytest.raises(UserError, match="begins with https://"):
        checked_url("http://8.8.8.8/v1", True)


@pytest.mark.parametrize("port", [0, 22, 25, 80, 1023])
def test_a_space_asks_no_port_of_another_service(port):
    with pytest.raises(UserError, match=f"Port {port} is none of an endpoint"):
        checked_url(f"https://8.8.8.8:{port}/v1", True)
    assert checked_url("https://8.8.8.8:8443/v1", True) == "https://8.8.8.8:8443/v1"


def test_a_proxy_of_the_environment_is_not_asked_from_a_space(monkeypatch):
    """It would resolve the name past the check; at home it is asked as people expect."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    space, home = (Endpoint("https://8.8.8.8/v1", "m", public_only=only) for only in (True, False))
    assert not space._client._mounts
    assert home._client._mounts


def test_the_address_that_was_checked_is_the_one_that_is_asked(monkeypatch):
    """A name that is public when it is checked and private a moment later (DNS rebinding) is refused, too; a name of
    which one address is private is refused. Only the resolver is a stand-in: no name server answers like this here."""
    import socket

    answers = [["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "10.0.0.1"]]

    def resolve(host, port, **how):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in answers[0]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    endpoint = Endpoint("https://judge.example/v1", "m", public_only=True)
    answers.pop(0)
    with pytest.raises(UserError, match="not a public address"):
        endpoint.ask([], 5)
    answers.pop(0)
    with pytest.raises(UserError, match="not a public address"):
        public_address("judge.example", 443)


@pytest.mark.parametrize("key", ["a b", "a\nHost: evil", "schlüssel", "a\0"])
def test_a_key_is_one_word(key):
    with pytest.raises(UserError) as e:
        checked_key(key)
    assert key not in str(e.value)
