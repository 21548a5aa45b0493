"""Which addresses an event may be sent to. Whoever registers an endpoint must not reach what only we can reach."""

import ipaddress
from urllib.parse import urlsplit

_NETWORK = ipaddress.ip_network
# What `is_global` of this Python lets through, or may: each belongs to somebody's inside.
_INSIDE_4 = tuple(
    _NETWORK(each)
    for each in (
        "100.64.0.0/10",  # carriers' NAT; one cloud's metadata service
        "168.63.129.16/32",  # a public address that is the host's own agent in one cloud
        "192.0.0.0/24",  # protocol assignments; one cloud's metadata service
        "192.88.99.0/24",  # relays into 6to4
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",
    )
)
# Everything that is routed in the open is in here; translated and mapped IPv4 addresses are not.
_OPEN_6 = _NETWORK("2000::/3")
_INSIDE_6 = tuple(
    _NETWORK(each)
    for each in (
        "2001::/23",  # Teredo and other tunnels
        "2001:db8::/32",
        "2002::/16",  # 6to4: holds any IPv4 address
        "3fff::/20",
    )
)


def is_public(text: str) -> bool:
    """Whether an IP address, as text, is one of the open internet. Anything that can't be read is not."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.version == 4:
        inside = any(address in network for network in _INSIDE_4)
        return address.is_global and not address.is_multicast and not inside
    # A mapped or translated IPv4 address leads to that address; here none is needed, so none is allowed.
    open_6 = address in _OPEN_6 and not any(address in network for network in _INSIDE_6)
    return open_6 and address.is_global and not address.is_multicast


def url_problem(url: str, *, allow_private: bool) -> str:
    """Why `url` can't be an endpoint's: the contract's word for URL_NOT_ALLOWED, or "" if it can.

    Names are not resolved here: what they lead to is checked when a connection is made.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "host"
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        return "scheme"
    if parts.username is not None or parts.password is not None:
        return "credentials"
    if parts.fragment or url.endswith("#"):
        return "fragment"
    host = parts.hostname or ""
    printable = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not host or not printable or port == 0 or "%" in host:
        return "host"
    if not allow_private and _is_address(host) and not is_public(host):
        return "address"
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
