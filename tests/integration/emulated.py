"""An emulator to test: asking it, steering it, and the events it would have sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from stage import eventually

from reactor.emulator import EmulatorSettings, Faults, running

APIS = Path(__file__).parents[2] / "config" / "apis"


@dataclass(frozen=True)
class Emulated:
    """A running emulator whose events all stay with it, in the order in which they happened."""

    http: httpx2.AsyncClient

    async def ask(self, method: str, path: str, body: Any = None, /, **query: Any) -> Any:
        """Call an API and return its good answer."""
        answer = (await self.http.request(method, path, json=body, params=query)).raise_for_status()
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Call an API that says no, and return how."""
        answer = await self.http.request(method, path, json=body)
        return answer.status_code, answer.json()["message"]

    async def faults(self, **faults: Any) -> None:
        await self.ask("PUT", "/emulator/faults", {"drop": 1, **faults})

    async def calls(self) -> dict[str, int]:
        counts: dict[str, int] = (await self.ask("GET", "/emulator/calls"))["calls"]
        return counts

    async def events(self, kind: str) -> list[dict[str, Any]]:
        dropped = (await self.ask("GET", "/emulator/deliveries"))["dropped"]
        return [event for event in dropped if event["event"].startswith(kind)]

    async def states(self, kind: str) -> list[str]:
        """The states that the events of a kind of resource speak of, one after the other."""
        return [event.get("newState", event.get("state", "")) for event in await self.events(kind)]

    async def reached(self, path: str, state: str, field: str = "state") -> Any:
        """Wait until a resource has a state, and return it."""

        async def look() -> Any:
            shown = await self.ask("GET", path)
            return shown if shown[field] == state else None

        return await eventually(look)


@asynccontextmanager
async def emulating(api_key: str = EmulatorSettings().api_key, time_scale: float = 0.01) -> AsyncIterator[Emulated]:
    settings = EmulatorSettings(time_scale=time_scale, faults=Faults(drop=1), apis=APIS)
    key = {"authorization": f"Bearer {api_key}"}
    async with running(settings) as url, httpx2.AsyncClient(base_url=url, headers=key) as http:
        yield Emulated(http)
