"""Held against IANA's special-purpose registries, and against the addresses at which clouds tell secrets."""

from __future__ import annotations

import csv
import random
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest

from core.endpoint.addresses import is_public

REGISTRY = Path(__file__).with_name("iana_special.csv")


def blocks() -> list[str]:
    lines = [line for line in REGISTRY.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [row["block"] for row in csv.DictReader(lines)]


@pytest.mark.parametrize("block", blocks())
def test_nothing_of_a_special_block_is_public(block):
    """Its first and last address, and any between. Anycast services that are reachable are no endpoints, either."""
    network, chance = ip_network(block), random.Random(block)
    kind = type(network.network_address)
    last = network.num_addresses - 1
    for place in {0, last, *(chance.randint(0, last) for _ in range(50))}:
        assert not is_public(str(kind(int(network.network_address) + place)))


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "100.100.100.200",
     "192.0.0.192", "168.63.129.16", "fe80::a9fe:a9fe%eth0"],
)  # fmt: skip
def test_what_tells_a_clouds_secrets_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("inner", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"])
def test_an_address_within_another_is_not_public(inner):
    """Whatever carries it: mapped, compatible, translated, 6to4, Teredo (which inverts it)."""
    number = int(ip_address(inner))
    for high in ("::ffff:0:0", "::", "64:ff9b::", "64:ff9b:1::"):
        assert not is_public(str(IPv6Address(int(ip_address(high)) + number)))
    assert not is_public(str(IPv6Address((0x2002 << 112) + (number << 80) + 1)))
    assert not is_public(str(IPv6Address((0x20010000 << 96) + (number ^ 0xFFFFFFFF))))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "104.18.7.192", "192.0.1.1", "192.88.98.1", "168.63.129.17", "198.20.0.1", "223.255.255.1",
     "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001:82f::200e", "2400:cb00::1"],
)  # fmt: skip
def test_what_lies_beside_them_is_public(address):
    assert is_public(address)
