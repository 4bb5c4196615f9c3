"""Pauses: what may be paused, and what is shown of it. Owns the checks; claiming heeds pauses by itself."""

from typing import Any

import structlog

from reactor.config import Config
from reactor.errors import NotFound
from reactor.store.brakes import Pause, Scope
from reactor.store.store import Store
from reactor.yaml12 import expected_one_of

log = structlog.get_logger("reactor.brakes")


def scope_of(config: Config | None, api: str | None, rule: str | None) -> Scope:
    """One API, one rule, or everything. Raises NotFound for a name that the configuration, where it is known, has not."""
    if rule is not None:
        known = [each.name for each in config.rules.rules] if config else [rule]
        return Scope("rule", _known("rule", rule, known))
    if api is not None:
        return Scope("api", _known("API", api, list(config.apis) if config else [api]))
    return Scope()


def _known(what: str, name: str, known: list[str]) -> str:
    if name not in known:
        raise NotFound(f"{what}: {expected_one_of(name, known)}; nothing was paused")
    return name


async def pause(store: Store, scope: Scope, *, by: str, reason: str, seconds: float | None) -> list[Pause]:
    """Stop acting, not receiving nor deciding; returns all that is paused now. Raises StoreUnavailable."""
    await store.brakes.pause(scope, by=by, reason=reason, seconds=seconds)
    log.warning("paused", scope=str(scope), by=by, reason=reason or None, seconds=seconds)
    return await store.brakes.pauses()


async def resume(store: Store, scope: Scope, *, by: str) -> tuple[bool, list[Pause]]:
    """Act again; returns whether the scope was paused, and all that is paused still. Raises StoreUnavailable."""
    resumed = await store.brakes.resume(scope)
    log.warning("resumed", scope=str(scope), by=by, was_paused=resumed)
    return resumed, await store.brakes.pauses()


def resuming(scope: Scope) -> str:
    """What to type to act again on what is paused."""
    return f"reactor resume --{scope.kind} {scope.name}" if scope.name else "reactor resume"


def pause_value(pause: Pause) -> dict[str, Any]:
    """A pause as programs see it; times are in milliseconds since the epoch."""
    return {
        "scope": str(pause.scope),
        "since": pause.at,
        "until": pause.until,
        "by": pause.by,
        "reason": pause.reason,
        "held": pause.held,
    }
