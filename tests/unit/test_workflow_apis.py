"""What the tests of workflows share: the APIs they know, documents made from steps, and stories of runs."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from reactor.workflows.apis import Kind, Message, Operation
from reactor.workflows.asking import command_of
from reactor.workflows.document import Document, OperationRef, Source
from reactor.workflows.engine import advance, new_run
from reactor.workflows.load import load_document
from reactor.workflows.program import Program, compile_program
from reactor.workflows.run import Call, Command, End, Happened, Observed, Replied, Run, Started, TimedOut, Wait

DOCUMENTS = Path(__file__).parent.parent / "data" / "arazzo"

VOLUME = Kind(
    "volume",
    states=frozenset(["pending_create", "creating", "ready", "pending_delete", "deleting", "deleted", "error"]),
    settled=frozenset(["ready", "error"]),
    failed=frozenset(["error"]),
    terminal=frozenset(["deleted"]),
    events=("volume.created", "volume.state.updated"),
)
SANDBOX = Kind(
    "sandbox",
    states=frozenset(["creating", "started", "stopping", "stopped", "snapshotting", "error", "destroyed"]),
    settled=frozenset(["started", "stopped", "error"]),
    failed=frozenset(["error"]),
    terminal=frozenset(["destroyed"]),
    events=("sandbox.created", "sandbox.state.updated"),
)
DEVBOX = Kind(
    "devbox",
    state=("status",),
    states=frozenset(["queued", "provisioning", "initializing", "running", "suspended", "failure", "shutdown"]),
    settled=frozenset(["running", "suspended"]),
    failed=frozenset(["failure"]),
    terminal=frozenset(["shutdown"]),
)
EXECUTION = Kind(
    "execution",
    state=("status",),
    id=("execution_id",),
    states=frozenset(["queued", "running", "completed"]),
    settled=frozenset(["completed"]),
)
OPERATIONS = (
    Operation("daytona", "createVolume", "POST", creates=VOLUME),
    Operation("daytona", "getVolume", "GET", reads=VOLUME, by="volumeId"),
    Operation("daytona", "createSandbox", "POST", creates=SANDBOX),
    Operation("daytona", "getSandbox", "GET", reads=SANDBOX, by="sandboxIdOrName", by_name=True),
    Operation("daytona", "createSandboxSnapshot", "POST", moves=SANDBOX, by="sandboxIdOrName", by_name=True),
    Operation("daytona", "deleteSandbox", "DELETE", moves=SANDBOX, by="sandboxIdOrName", by_name=True),
    Operation("daytona", "listSandboxes", "GET"),
    Operation("daytona", "pay", "POST", security=frozenset([("query", "key")])),
    Operation("runloop", "createDevbox", "POST", creates=DEVBOX),
    Operation("runloop", "waitForDevboxStatus", "POST", reads=DEVBOX, by="id", holds=True, awaits=("statuses",)),
    Operation("runloop", "execAsyncCommand", "POST"),
    Operation(
        "runloop", "waitForCommandCompletion", "POST", EXECUTION, by="execution_id", holds=True, awaits=("statuses",)
    ),
)


class KnownApis:
    """The operations above, by id."""

    def operation(self, reference: OperationRef, source: Source | None) -> Operation | None:
        return next((operation for operation in OPERATIONS if operation.id == reference.id), None)

    def names(self, reference: OperationRef, source: Source | None) -> Iterable[str]:
        return [operation.id for operation in OPERATIONS]

    def message(self, reference: OperationRef, source: Source | None) -> Message | None:
        return Message("shop", "sandbox" if str(reference).startswith("sandbox") else "order", str(reference))

    def messages(self) -> Iterable[str]:
        return ["order.confirmed"]


def arazzo(steps: str, *, workflow: str = "", rest: str = "", version: str = "1.0.1") -> str:
    """A document with one workflow `main`, which has these steps and whatever `workflow` adds to it."""
    head = f"""\
arazzo: {version}
info: {{title: A test, version: 1.0.0}}
sourceDescriptions: [{{name: api, url: api.yaml, type: openapi}}]
"""
    main = (
        f"workflows:\n- workflowId: main\n{indent(dedent(workflow), '  ')}\n  steps:\n{indent(dedent(steps), '  ')}\n"
    )
    return head + main + dedent(rest)


def document(steps: str, **parts: str) -> Document:
    return load_document(arazzo(steps, **parts), "test.arazzo.yaml")


def program(steps: str, **parts: str) -> Program:
    return compile_program(document(steps, **parts), KnownApis())


def seed(name: str) -> Program:
    """A document of the data directory, put to the known APIs."""
    path = DOCUMENTS / f"{name}.arazzo.yaml"
    return compile_program(load_document(path.read_bytes(), path.name), KnownApis())


def warnings_of(found: Document) -> list[Any]:
    return [(problem.line, problem.message) for problem in found.warnings]


class Story:
    """A run and its last command; it is stored and read again at every boundary."""

    def __init__(self, ready: Program, **inputs: Any) -> None:
        self.program = ready
        self.run = new_run(next(iter(ready.document.workflows)), inputs)
        self.clock = 100.0
        self.then(Started(self.clock))

    def then(self, happened: Happened) -> Command:
        self.run = advance(self.program, Run.from_json(self.run.to_json()), happened).run
        self.command = command_of(self.program, self.run)
        return self.command

    def replied(self, body: Any = None, status: int = 200, **headers: str) -> Command:
        self.clock += 1
        return self.then(Replied(self.clock, status, headers, body))

    def observed(self, state: str | None = None, body: Any = None) -> Command:
        self.clock += 1
        return self.then(Observed(self.clock, state, body))

    def timed_out(self) -> Command:
        return self.then(TimedOut(self.clock + 10_000))

    @property
    def call(self) -> Call:
        assert isinstance(self.command, Call), self.command
        return self.command

    @property
    def wait(self) -> Wait:
        assert isinstance(self.command, Wait), self.command
        return self.command

    @property
    def end(self) -> End:
        assert isinstance(self.command, End), self.command
        return self.command


def test_authorization_cookies_and_declared_keys_authenticate() -> None:
    pay = next(operation for operation in OPERATIONS if operation.id == "pay")

    assert pay.authenticates("header", "authorization")
    assert pay.authenticates("cookie", "session")
    assert pay.authenticates("query", "key")
    assert not pay.authenticates("header", "key")
