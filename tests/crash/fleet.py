"""The reactor as a deployment: two of each process behind a bad network, each started again when it ends.

Owns processes and proxies, and every way to harm and to heal them. Does not decide what happens when.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ports import ReservedPort

from crash.nursery import Child, Nursery, until
from crash.proxy import Proxy, to, to_first
from crash.story import Story
from reactor.embedded import EmbeddedServer, Fsync

ROLES: Mapping[str, tuple[str, ...]] = {
    "web": ("serve", "--no-dispatch"),
    "dispatch": ("dispatch",),
    "work": ("work",),
}
EACH = 2
SERVER = "server"
MEMBERS = tuple(f"{role}-{number}" for role in ROLES for number in range(1, EACH + 1))

RESTART_PAUSE = 0.1
"""Seconds until a process that ended is started again."""

SERVER_PATIENCE = 60.0


@dataclass
class Member:
    """One place in the fleet, and the process that has it now."""

    name: str
    arguments: tuple[str, ...]
    port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    child: Child | None = None
    skew: float = 0.0
    armed: str = ""
    kept: bool = True
    killed: bool = False

    def __post_init__(self) -> None:
        self.kept = self.kept and not self.armed
        self.killed = bool(self.armed)

    @property
    def lives(self) -> bool:
        """Whether it has a process that nobody has killed yet; a killed one takes a moment to be gone."""
        return self.child is not None and not self.child.over.is_set() and not self.child.killed


@dataclass
class Fleet:
    """The deployment. `environment` is that of every process but for its addresses."""

    directory: Path
    environment: dict[str, str]
    story: Story
    nursery: Nursery
    server: EmbeddedServer
    emulator_port: int
    members: dict[str, Member] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    died: Counter[str] = field(default_factory=Counter)
    """Processes that ended although nobody told them to, once they had begun."""
    not_started: Counter[str] = field(default_factory=Counter)
    """Processes that ended at their start, as they do while there is no server."""
    _keepers: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _ports: list[ReservedPort] = field(default_factory=list)
    _server_busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    _server_down: bool = False
    _ending: bool = False

    async def connect(self) -> str:
        """Put networks between all who talk; returns the URL for webhooks."""
        socket_path = self.server.url.removeprefix("unix://").partition("?")[0]
        for name, connect in {
            "redis": to(socket_path),
            "api": to_first(lambda: [self.emulator_port]),
            "webhooks": to_first(lambda: [member.port for member in self.members.values() if member.port]),
        }.items():
            self.proxies[name] = Proxy(name, connect)
        redis, api, webhooks = [await proxy.listen() for proxy in self.proxies.values()]
        self.environment |= {
            "REACTOR_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
            "DAYTONA_API_URL": f"http://127.0.0.1:{api}/api",
            "RUNLOOP_API_URL": f"http://127.0.0.1:{api}/runloop",
        }
        return f"http://127.0.0.1:{webhooks}/webhooks/daytona"

    async def start(self, names: Iterable[str] = MEMBERS) -> None:
        """Start these, keep them running, and return when each has said that it works."""
        started = list(names)
        for name in started:
            await self.begin(name)
        for name in started:
            begun = await until(partial(self._has_begun, name), SERVER_PATIENCE)
            assert begun, f"{name} says nothing"

    async def begin(self, name: str, *, armed: str = "", **environment: str) -> Member:
        """Start one; one that is armed with a failpoint is not started again."""
        arguments = ROLES[name.partition("-")[0]]
        port = self._reserved().number if arguments[0] == "serve" else 0
        member = Member(name, (*arguments, *(["--port", str(port)] if port else [])), port, environment, armed=armed)
        self.members[name] = member
        await self._begin(member)
        return member

    async def roll(self) -> None:
        """A rolling upgrade: of each role, new ones are started, and then the old ones are told to end."""
        for role in ROLES:
            old = [name for name in self.members if name.startswith(f"{role}-")]
            await self.start(f"{name}-new" for name in old)
            await self.retire(role, old)
            self.story.tell(f"every {role} is new")

    async def _has_begun(self, name: str) -> bool:
        return bool((self.directory / name).with_suffix(".out").read_text())

    async def retire(self, role: str, names: Sequence[str] = ()) -> None:
        """End these of a role, or all, in order, and start none again. New connections go to others from now on."""
        for name in names or [name for name in self.members if name.startswith(f"{role}-")]:
            member = self.members[name]
            member.kept, member.port = False, 0
            if keeper := self._keepers.pop(name, None):  # it may be starting it again just now
                await keeper
            self.stop(name)
            if member.child:
                await member.child.over.wait()
            del self.members[name]

    def kill(self, name: str) -> None:
        """End a process, or the server, as the kernel does; it is started again soon."""
        if name == SERVER:
            self.kills[name] += 1
            self._server_down = True
            os.kill(self.server.pid, signal.SIGKILL)
            self._keep(SERVER, self._restart_server())
        elif child := self.members[name].child:
            self.members[name].killed = True
            self.kills[name] += child.signal(signal.SIGKILL)

    def stop(self, name: str) -> None:
        """Tell a process to end in order; another takes its place."""
        if child := self.members[name].child:
            self.members[name].killed = True
            child.signal(signal.SIGTERM)

    def is_there(self, name: str) -> bool:
        """Whether there is somebody to kill: between an end and the next start there is not."""
        if name == SERVER:
            return not (self._server_busy.locked() or self._server_down)
        return self.members[name].lives

    async def pause(self, name: str, seconds: float) -> None:
        """Stop a process, or the server, for so long, as swapping or a moving machine does."""
        if name == SERVER:
            async with self._server_busy:
                os.kill(self.server.pid, signal.SIGSTOP)
                await asyncio.sleep(seconds)
                os.kill(self.server.pid, signal.SIGCONT)
        elif child := self.members[name].child:
            child.signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            child.signal(signal.SIGCONT)

    def skew(self, name: str, seconds: float) -> None:
        """Kill a process, so that it comes back with its clock so far ahead."""
        self.members[name].skew = seconds
        self.kill(name)

    def heal(self) -> None:
        """Harm nothing any more: every process goes on, every connection is good."""
        for proxy in self.proxies.values():
            proxy.heal()
        for member in self.members.values():
            if member.child:
                member.child.signal(signal.SIGCONT)

    async def close(self) -> None:
        """End everything."""
        self._ending = True
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        for proxy in self.proxies.values():
            await proxy.close()
        for port in self._ports:
            port.close()

    async def run(self, *arguments: str) -> None:
        """Run `reactor arguments` to its end, however that is."""
        base = self.directory / "commands"
        child = await self.nursery.start(
            arguments, self.environment, base.with_suffix(".out"), base.with_suffix(".log")
        )
        if child:
            child.watch(lambda _: None)
            await child.over.wait()

    def _reserved(self) -> ReservedPort:
        self._ports.append(port := ReservedPort())
        return port

    async def _begin(self, member: Member) -> None:
        base = self.directory / member.name
        environment = {**self.environment, **member.environment, "REACTOR_FAILPOINT": member.armed}
        member.child = await self.nursery.start(
            member.arguments, environment, base.with_suffix(".out"), base.with_suffix(".log"), skew=member.skew
        )
        if member.child is None:
            self._ended(member)
        else:
            member.child.watch(lambda _: self._ended(member))

    def _ended(self, member: Member) -> None:
        if not member.killed and not self._ending:
            began = (self.directory / member.name).with_suffix(".out").read_text()
            self.story.tell(f"{member.name} {'died' if began else 'did not start'} by itself")
            (self.died if began else self.not_started)[member.name] += 1
        member.killed = False
        if member.kept and not self._ending:
            self._keep(member.name, self._begin_soon(member))

    async def _begin_soon(self, member: Member) -> None:
        await asyncio.sleep(RESTART_PAUSE)
        if member.kept:
            await self._begin(member)

    async def _restart_server(self) -> None:
        async with self._server_busy:
            began = time.monotonic()
            await asyncio.to_thread(self.server.restart, SERVER_PATIENCE)
            self._server_down = False
            self.story.tell(f"server is back after {time.monotonic() - began:.2f} s")

    def _keep(self, name: str, work: "asyncio.Future[None] | object") -> None:
        self._keepers[name] = asyncio.ensure_future(work)  # type: ignore[arg-type]


def server_in(directory: Path, fsync: Fsync) -> EmbeddedServer:
    """The server of a fleet."""
    return EmbeddedServer.start(directory / "server", fsync=fsync, timeout=SERVER_PATIENCE)
