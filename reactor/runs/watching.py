"""What is to be long-polled for a wait, or for its own sake. Pure.

A step whose operation the server holds is watched by its own call. Any other wait for a resource of an API that sends no
webhooks is watched by the API's long poll for that kind, if it has one.
"""

from typing import Any

from reactor.apis.client import Api
from reactor.apis.provider import look
from reactor.config import Config
from reactor.config.telling import is_asked_for, sends_webhooks
from reactor.store.watches import Wanted, WatchSpec
from reactor.workflows.apis import Operation
from reactor.workflows.polls import Poll
from reactor.workflows.run import Call, Command, Wait

SHORTEST_HOLD = 0.1
REST = 1.0
"""Seconds: a server that answers a long poll sooner than this did not hold it, and is left alone for so long."""


def watch_of(config: Config, wait: Command, operation: Operation, poll: Poll | None) -> Wanted | None:
    """The long poll that a wait is registered with; None where there is none, or what is asked for is no wait."""
    if not isinstance(wait, Wait):
        return None
    if operation.holds and wait.probe:
        return _own(wait, wait.probe, operation, poll)
    api = config.apis.get(wait.api)
    if api is None or wait.may_be_name or not wait.resource or sends_webhooks(config, wait.api):
        return None
    spec = standing_watch(api, wait.kind, wait.resource)
    states = _resting(api, wait.kind) - {wait.state}
    return Wanted(spec, tuple(sorted(state for state in states if state))) if spec and states else None


def _own(wait: Wait, call: Call, operation: Operation, poll: Poll | None) -> Wanted | None:
    """The document's own call; also in the states after which the awaited ones can't come: the server would hold it on."""
    states = look(".".join(("$", *operation.awaits)), call.body)
    if poll is None or not isinstance(call.body, dict) or not isinstance(states, list):
        return None
    parameters = {name: value for named in call.parameters.values() for name, value in named.items()}
    wanted = {state for state in states if isinstance(state, str)} | poll.kind.hopeless
    spec = WatchSpec(operation.api, operation.id, poll.kind.name, wait.resource or "", parameters, call.body)
    return Wanted(spec, tuple(sorted(wanted)))


def standing_watch(api: Api, kind: str, resource_id: str) -> WatchSpec | None:
    """The long poll of an API for a resource of a kind; None where it has none that needs nothing but the id."""
    for name, poll in api.provider.long_poll.items():
        parameters = [each.name for each in api.openapi.operation(name).parameters if each.where == "path"]
        if poll.resource == kind and len(parameters) == 1:
            return WatchSpec(api.name, name, kind, resource_id, {parameters[0]: resource_id}, {})
    return None


def to_watch(config: Config, api: Api, kind: str, data: Any) -> WatchSpec | None:
    """The long poll for a resource as it was read, while it is on its way to another state and a rule asks for its events."""
    resource = api.provider.resources[kind]
    resource_id, state = look(resource.id, data), look(resource.state, data)
    if not isinstance(resource_id, str) or state in _resting(api, kind):
        return None
    if sends_webhooks(config, api.name) or not is_asked_for(config, api, kind):
        return None
    return standing_watch(api, kind, resource_id)


def _resting(api: Api, kind: str) -> set[str | None]:
    resource = api.provider.resources[kind]
    return {*resource.settled, *resource.failed, *resource.terminal}
