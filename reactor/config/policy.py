"""The policy: what files of rules may do, for a directory that several teams write to. Pure.

Owns the format of `config/policy.yaml` and its meaning. Without that file every file of rules may do everything.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reactor.errors import Problem
from reactor.rules.actions import KINDS, CompiledAction
from reactor.rules.fault import Fault
from reactor.store.keys import MAIN
from reactor.workflows.program import Program
from reactor.yaml12 import Document


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Globs = Annotated[list[str], BeforeValidator(_listed, json_schema_input_type=str | list[str])]


class Model(BaseModel):
    """Base of the policy: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Grant(Model):
    """What some files of rules may do. A list that is left out restricts nothing; `*` in a name matches any part."""

    files: Globs = Field(min_length=1, description="Names of files in config/rules: team-a-*.yaml.")
    actions: Globs | None = Field(None, description="Kinds of actions: call, run, …")
    calls: Globs | None = Field(None, description="Operations, also those that workflows call: daytona.get*.")
    never: Globs = Field([], description="Operations that may not be called whatever `calls` says: daytona.delete*.")
    workflows: Globs | None = Field(None, description="Documents of config/workflows that may be run.")
    targets: Globs | None = Field(None, description="Targets of config/targets.yaml that may be told something.")
    events: Globs | None = Field(None, description="Types of events that may be made.")
    handlers: Globs | None = Field(None, description="Handlers of one's own that may be asked to perform.")
    queues: Globs | None = Field(
        None, description="Queues on which they may perform; `main` is where no other is said."
    )


class PolicyFile(Model):
    """`policy.yaml`: the first grant whose `files` fit counts; a file that none fits may do nothing."""

    policy: list[Grant] = Field(min_length=1, description="The grants, the first that fits first.")

    def grant(self, file: str) -> Grant | None:
        """What a file may do; None for one that the policy does not know."""
        name = Path(file).name
        return next((grant for grant in self.policy if _fits(name, grant.files)), None)


def policy_faults(
    grant: Grant | None, actions: Iterable[CompiledAction], programs: Mapping[str, Program]
) -> Iterator[Fault]:
    """The actions of a rule that its file may not take."""
    if grant is None:
        message = (
            "found a file that policy.yaml does not name, expected a grant whose `files` fit it: it may do nothing"
        )
        yield Fault(("do",), message, key=True)
        return
    for number, action in enumerate(actions):
        yield from (Fault(("do", number, action.kind.name), message) for message in _refusals(grant, action, programs))


def unknown_names(
    document: Document, file: PolicyFile, operations: Collection[str], queues: Collection[str]
) -> Iterator[Problem]:
    """Patterns that fit nothing: a typo in what is forbidden would allow it."""
    operation = (operations, "fits no operation of any API: see `reactor apis ls`")
    known = {
        "actions": (KINDS, f"is no kind of action: {', '.join(KINDS)}"),
        "calls": operation,
        "never": operation,
        "queues": ((MAIN, *queues), f"fits no queue: queues.yaml declares {', '.join(queues) or 'none'}"),
    }
    for number, grant in enumerate(file.policy):
        for field, (names, why) in known.items():
            for position, glob in enumerate(getattr(grant, field) or ()):
                if not any(fnmatchcase(name, glob) for name in names):
                    yield document.problem(("policy", number, field, position), f"found {glob!r}, which {why}")


def _refusals(grant: Grant, action: CompiledAction, programs: Mapping[str, Program]) -> Iterator[str]:
    word = action.kind.name
    if not _may(word, grant.actions):
        yield f"found the action `{word}`, which policy.yaml does not grant to this file: {_granted(grant.actions)}"
        return
    if action.kind.granted:
        granted = getattr(grant, action.kind.granted)
        if not _may(action.subject, granted):
            yield f"found {action.subject!r}, which policy.yaml does not let this file {word}: {_granted(granted)}"
    if "queue" in action.plain and not _may(action.queue, grant.queues):
        granted = _granted(grant.queues)
        yield f"found the queue {action.queue!r}, which policy.yaml does not let this file use: {granted}"
    for operation, through in _operations(action, programs):
        if _fits(operation, grant.never) or not _may(operation, grant.calls):
            granted = _granted(grant.calls)
            yield f"found {operation}{through}, which policy.yaml does not let this file call: {granted}"


def _operations(action: CompiledAction, programs: Mapping[str, Program]) -> list[tuple[str, str]]:
    """The operations that an action calls, and through what."""
    if action.operation:
        return [(action.subject, "")]
    program = programs.get(action.subject) if action.kind.name == "run" else None
    called = {f"{operation.api}.{operation.id}" for operation in program.operations.values()} if program else set()
    return [(operation, " (a step of the workflow)") for operation in sorted(called)]


def _may(name: str, granted: list[str] | None) -> bool:
    return granted is None or _fits(name, granted)


def _granted(granted: list[str] | None) -> str:
    return f"it may use {', '.join(granted) or 'none'}" if granted is not None else "it is in `never`"


def _fits(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
