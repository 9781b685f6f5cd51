from ipaddress import ip_address

import pytest

from docmill_notifier.address import permitted
from docmill_notifier.error import AddressForbidden, EndpointUnreachable

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111"]
PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "::1",
    "fd00::1",
    "::ffff:10.0.0.1",
]
NEVER = [
    "169.254.169.254",  # metadata of most clouds
    "fe80::1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
]
CLOSED = [
    *PRIVATE,
    *NEVER,
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "::7f00:1",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached(address: str) -> None:
    found = ip_address(address)
    assert permitted("example.org", [found], private=False) == found


@pytest.mark.parametrize("address", CLOSED)
def test_no_address_of_our_own_network_is_reached(address: str) -> None:
    with pytest.raises(AddressForbidden, match="example"):
        permitted("example.org", [ip_address(address)], private=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_closed_networks_may_allow_private_addresses(address: str) -> None:
    found = ip_address(address)
    assert permitted("receiver", [found], private=True) == found


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_reached(address: str) -> None:
    with pytest.raises(AddressForbidden):
        permitted("receiver", [ip_address(address)], private=True)


def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    found = [ip_address(PUBLIC[0]), ip_address("127.0.0.1")]
    with pytest.raises(AddressForbidden):
        permitted("example.org", found, private=False)


def test_a_name_without_addresses_is_tried_again_later() -> None:
    with pytest.raises(EndpointUnreachable):
        permitted("example.org", [], private=False)
