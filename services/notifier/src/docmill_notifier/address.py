"""Which addresses a webhook may go to: a URL is the user's, the network it reaches is ours."""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from docmill_notifier.error import AddressForbidden, EndpointUnreachable

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[Address]]

# Translators put an IPv4 address into the last 32 bits; what counts is where the packet ends.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")


def resolve(host: str, port: int) -> Sequence[Address]:
    """Return every address of the host; raise EndpointUnreachable when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EndpointUnreachable(f"{host} does not resolve") from error
    # a scope ("%eth0") names one of our own links
    return [ip_address(str(address[0]).partition("%")[0]) for *_, address in found]


def permitted(host: str, addresses: Sequence[Address], *, private: bool) -> Address:
    """Return the address to connect to; raise AddressForbidden when any of them is off limits.

    One bad address among good ones is refused as a whole: such a name is an attempt.
    """
    for address in addresses:
        if not _allowed(_innermost(address), private=private):
            raise AddressForbidden(f"{host} is at {address}")
    if not addresses:
        raise EndpointUnreachable(f"{host} has no address")
    return addresses[0]


def _allowed(address: Address, *, private: bool) -> bool:
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False  # link-local holds the clouds' metadata services: never, not even in tests
    if address.is_loopback or address.is_private:
        return private
    return address.is_global and not address.is_reserved


def _innermost(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address.teredo:
        inner = address.teredo[1]
    if inner is None and (address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address
