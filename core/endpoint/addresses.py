"""Which addresses of the internet are endpoints that anybody may ask; every other leads to a machine's own network.

The library knows most of IANA's special-purpose registries, each release of Python other parts of them. What it leaves
is listed here, each with its source; a test holds both against the registries themselves.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

GLOBAL_UNICAST = ip_network("2000::/3")
"""All IPv6 that is given to networks of the internet (RFC 4291). What embeds an IPv4 address in a low block, and
whatever is given to a purpose some day, stands outside."""
NOT_PUBLIC = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",  # this network, RFC 791
        "100.64.0.0/10",  # shared by customers of a provider, RFC 6598; Alibaba's metadata at 100.100.100.200
        "168.63.129.16/32",  # Azure's platform, which every machine there reaches
        "192.0.0.0/24",  # protocols, RFC 6890; Oracle's metadata at 192.0.0.192
        "192.31.196.0/24",  # AS112, RFC 7535: whichever name server is nearest
        "192.52.193.0/24",  # AMT, RFC 7450: whichever relay is nearest
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.175.48.0/24",  # AS112, RFC 7534
        "198.18.0.0/15",  # measuring, RFC 2544
        "240.0.0.0/4",  # reserved, RFC 1112
        "2001::/23",  # protocols, RFC 2928: Teredo and others that carry another address in them
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056: an IPv4 address in disguise
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "3fff::/20",  # documentation, RFC 9637
    )
)


def is_public(address: str) -> bool:
    """Is it the address of one machine of the internet? An address that carries another one in it is none."""
    ip = ip_address(address.partition("%")[0])
    if ip.version == 6 and ip not in GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in block for block in NOT_PUBLIC)
