"""Which addresses a call may connect to."""

import pytest

from reactor.apis.addresses import Addresses, ForbiddenAddress
from reactor.errors import ConfigError

PRIVATE = {
    "loopback": "127.0.0.1",
    "another loopback": "127.8.8.8",
    "the decimal spelling": "2130706433",
    "the hexadecimal spelling": "0x7f.1",
    "the octal spelling": "0177.0.0.1",
    "the short spelling": "127.1",
    "link-local, where clouds keep their metadata": "169.254.169.254",
    "a private network": "10.1.2.3",
    "the carrier's network": "100.64.0.1",
    "nowhere": "0.0.0.0",
    "everybody": "255.255.255.255",
    "multicast": "224.0.0.1",
    "loopback in IPv6": "::1",
    "loopback mapped into IPv6": "::ffff:127.0.0.1",
    "a private network inside 6to4": "2002:0a01:0203::",
    "link-local in IPv6": "fe80::1",
    "unique local in IPv6": "fd00::1",
    "a cloud's metadata in IPv6": "fd00:ec2::254",
    "another cloud's metadata": "100.100.100.200",
    "a third cloud's metadata": "192.0.0.192",
    "a container's credentials": "169.254.170.2",
    "loopback compatible with IPv6": "::127.0.0.1",
    "loopback translated into IPv6": "::ffff:0:127.0.0.1",
    "loopback behind NAT64": "64:ff9b::7f00:1",
    "metadata behind NAT64": "64:ff9b::a9fe:a9fe",
    "behind NAT64 of local use": "64:ff9b:1::5db8:d822",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "nowhere in IPv6": "::",
}


@pytest.mark.parametrize("host", PRIVATE.values(), ids=PRIVATE.keys())
def test_an_address_that_is_not_public_is_refused_with_the_remedy(host: str) -> None:
    with pytest.raises(ForbiddenAddress, match="REACTOR_PRIVATE_NETWORKS"):
        Addresses().check_host(host)


@pytest.mark.parametrize(
    "host", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822", "app.daytona.io"]
)
def test_a_public_address_or_a_name_is_let_through(host: str) -> None:
    Addresses().check_host(host)


def test_what_a_name_stands_for_is_checked() -> None:
    with pytest.raises(ForbiddenAddress, match=r"api\.example\.com is 10\.0\.0\.8"):
        Addresses().check("api.example.com", "10.0.0.8")


def test_an_allowed_network_is_let_through_and_no_other() -> None:
    addresses = Addresses(["10.0.0.0/8"])

    addresses.check_host("10.1.2.3")
    with pytest.raises(ForbiddenAddress):
        addresses.check_host("192.168.1.1")


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected networks like 10\.0\.0\.0/8"):
        Addresses(["intranet"])
