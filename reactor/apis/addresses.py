"""Which addresses a call may connect to.

Owns the guard against calls into the private network: a name is resolved, every address it stands for is checked, and the
connection goes to the address that was checked. Sends nothing.
"""

import ipaddress
import socket
from collections.abc import Iterable

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from reactor.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


EMBEDDING = tuple(ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
"""IPv6 networks whose last 32 bits are an IPv4 address: compatible (RFC 4291), translated (RFC 2765) and NAT64 (RFC 6052)."""

NOT_PUBLIC: tuple[Network, ...] = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("64:ff9b:1::/48"))
"""What Python 3.11 takes for public: protocol assignments (one cloud's metadata), and NAT64 of local use (RFC 8215)."""


class ForbiddenAddress(OSError):
    """A host stands for an address that calls may not go to."""


class Addresses:
    """The public internet, and the private networks that the operator allows."""

    def __init__(self, private: Iterable[str] = ()) -> None:
        try:
            self._private: tuple[Network, ...] = tuple(ipaddress.ip_network(text.strip()) for text in private)
        except ValueError as error:
            raise ConfigError(f"REACTOR_PRIVATE_NETWORKS: {error}; expected networks like 10.0.0.0/8") from None

    def check(self, host: str, address: str) -> None:
        """Raise ForbiddenAddress for an address that is neither public nor allowed."""
        plain = _unmapped(ipaddress.ip_address(address.partition("%")[0]))
        if plain.is_global and not plain.is_multicast and not any(plain in network for network in NOT_PUBLIC):
            return
        if not any(plain in network for network in self._private):
            raise ForbiddenAddress(
                f"{host} is {plain}, which is no public address; to allow it, name its network in REACTOR_PRIVATE_NETWORKS"
            )

    def check_host(self, host: str) -> None:
        """Check a host that is an address itself, in any spelling that the system's resolver understands."""
        try:
            spelled = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            return  # a name: the resolver checks what it stands for
        for *_, place in spelled:
            self.check(host, str(place[0]))


class GuardedResolver(AbstractResolver):
    """Resolves names as the system does, and lets only checked addresses through."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError; ForbiddenAddress if one of them may not be called."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            self._addresses.check(host, result["host"])
        return found

    async def close(self) -> None:
        """Let go of the system's resolver."""
        await self._resolver.close()


def _unmapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, which is where the connection would go."""
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in EMBEDDING) and int(address) > 1:  # not `::` and `::1`
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address
