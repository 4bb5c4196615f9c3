"""A small client of a running emulator, for demos and tests: plays the customer, and asks what happened.

Synchronous, and not the way to call an API from the reactor: that is `reactor.apis.client`.
"""

from collections.abc import Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import httpx2

from reactor.emulator.limits import Limit, Throttler
from reactor.emulator.settings import EmulatorSettings


class Emulator:
    """One emulator at `url`. Errors of the emulated API are raised as httpx2.HTTPStatusError."""

    def __init__(self, url: str, *, api_key: str = EmulatorSettings().api_key) -> None:
        self._http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=60.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def create_volume(self, name: str) -> dict[str, Any]:
        """Ask for a volume, as a customer does."""
        volume: dict[str, Any] = self._ask("POST", "/api/volumes", {"name": name})
        return volume

    def give(self, kind: str, name: str, state: str = "") -> None:
        """Let a resource be there already, in its usual state if none is named; nobody is told."""
        self._ask("POST", "/emulator/given", {"kind": kind, "name": name, "state": state})

    def deliver_to(self, url: str, secret: str) -> None:
        """Send all events to this endpoint from now on."""
        self._ask("PUT", "/emulator/endpoints", [{"url": url, "secret": secret}])

    def send(self, payload: dict[str, Any], message_id: str | None = None) -> str:
        """Deliver any payload as a signed event; returns the message's id."""
        answer = self._ask("POST", "/emulator/events", {"payload": payload, "id": message_id})
        return str(answer["id"])

    def faults(self, **faults: Any) -> None:
        """Put faults in force; those not named are off."""
        self._ask("PUT", "/emulator/faults", faults)

    def limits(self, limits: Mapping[Throttler, Limit]) -> None:
        """Let no more calls through than so many; a throttler that is not named lets all through."""
        self._ask("PUT", "/emulator/limits", {name: asdict(limit) for name, limit in limits.items()})

    def accept_keys(self, **keys: str) -> None:
        """Accept other keys from now on, by the API's name (`daytona`, `runloop`); this client keeps the one it has."""
        self._ask("PUT", "/emulator/keys", keys)

    def reset(self) -> None:
        """Start over."""
        self._ask("POST", "/emulator/reset")

    def calls(self) -> dict[str, int]:
        """How often each operation was called."""
        counts: dict[str, int] = self._ask("GET", "/emulator/calls")["calls"]
        return counts

    def call_log(self) -> list[dict[str, Any]]:
        """Every call with its arrival (`at`, seconds since the epoch)."""
        log: list[dict[str, Any]] = self._ask("GET", "/emulator/calls")["log"]
        return log

    def deliveries(self) -> dict[str, Any]:
        """Attempts that have ended, how many deliveries have not, and what was lost before Svix."""
        deliveries: dict[str, Any] = self._ask("GET", "/emulator/deliveries")
        return deliveries

    def volumes(self) -> list[dict[str, Any]]:
        """Every volume there ever was."""
        volumes: list[dict[str, Any]] = self._ask("GET", "/emulator/state")["volumes"]
        return volumes

    def snapshots(self) -> list[dict[str, Any]]:
        """Every snapshot that is not removed."""
        snapshots: list[dict[str, Any]] = self._ask("GET", "/emulator/state")["snapshots"]
        return snapshots

    def devboxes(self) -> list[dict[str, Any]]:
        """Every Runloop devbox there ever was."""
        devboxes: list[dict[str, Any]] = self._ask("GET", "/emulator/state")["devboxes"]
        return devboxes

    def sandboxes(self) -> list[dict[str, Any]]:
        """Every sandbox there ever was."""
        sandboxes: list[dict[str, Any]] = self._ask("GET", "/emulator/state")["sandboxes"]
        return sandboxes

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, path, json=body) if body is not None else self._http.request(method, path)
        answer.raise_for_status()
        return answer.json() if answer.content else None
