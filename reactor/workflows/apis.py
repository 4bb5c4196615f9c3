"""What the workflows need to know of the APIs: which operation reads, makes or moves which kind of resource.

Only the shape of that knowledge: who has it (provider files, OpenAPI documents) implements `Apis`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from reactor.workflows.document import OperationRef, Source

DEFAULT_DEADLINE: Final = 3600.0
"""Seconds a wait may take where neither the document nor the API's own timeouts say."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource: where a reply has its state, id and name (`label`), what its states mean, what announces it.

    `settled` states may end a wait, `failed` ones are settled and not as hoped, after `terminal` ones nothing follows.
    `states` are all that are known; an API may send others.
    """

    name: str
    state: tuple[str, ...] = ("state",)
    id: tuple[str, ...] = ("id",)
    label: tuple[str, ...] = ("name",)
    states: frozenset[str] = frozenset()
    settled: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    terminal: frozenset[str] = frozenset()
    events: tuple[str, ...] = ()

    @property
    def hopeless(self) -> frozenset[str]:
        """States that no wait for another one ends well in."""
        return self.failed | self.terminal

    @property
    def resting(self) -> frozenset[str]:
        """States that do not pass by themselves."""
        return self.settled | self.hopeless


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter that an operation takes; `where` is path, query, header or cookie."""

    name: str
    where: str
    required: bool = False


Misfits = Callable[[Any], Sequence[tuple[tuple[str | int, ...], str, str]]]
"""Each place of a body that does not fit the schema, what is wrong with it, and the word of the schema that says so."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `by` is the parameter that says which resource it reads or moves; `by_name` if a name will do.

    `about` are the kind and the parameter of what its path lies below, also where it neither reads nor moves that.

    `holds` marks a server-side long poll: it answers 200 when a state listed in the request body at `awaits` is
    reached, and 408 for "still waiting", after `hold` seconds at most.
    `security` are the (place, name) of parameters that authenticate.
    `deadline` is in seconds. `slots` are the parameters it takes, `has_body` whether it takes a body, `needs_body` whether
    it must have one; None where that is not known. `misfits` says where a body does not fit its schema.
    """

    api: str
    id: str
    method: str
    reads: Kind | None = None
    creates: Kind | None = None
    moves: Kind | None = None
    about: tuple[str, str] | None = None
    by: str = ""
    by_name: bool = False
    holds: bool = False
    hold: float = 0.0
    awaits: tuple[str, ...] = ()
    security: frozenset[tuple[str, str]] = frozenset()
    deadline: float = DEFAULT_DEADLINE
    slots: tuple[Slot, ...] | None = None
    has_body: bool | None = None
    misfits: Misfits | None = field(default=None, compare=False, repr=False)
    needs_body: bool | None = None

    def authenticates(self, where: str, name: str) -> bool:
        """Whether a parameter is for authentication, which the API's own configuration provides."""
        return (
            (where == "header" and name.lower() == "authorization")
            or where == "cookie"
            or (where, name) in self.security
            or (where, name.lower()) in self.security
        )


@dataclass(frozen=True, slots=True)
class Message:
    """What a `receive` waits for: an event type of an API, which is about a kind of resource."""

    api: str
    kind: str
    event: str


class Apis(Protocol):
    """Finds operations."""

    def operation(self, reference: OperationRef, source: Source | None) -> Operation | None:
        """The operation meant by a document; `source` is None when it does not say where to look."""

    def names(self, reference: OperationRef, source: Source | None) -> Iterable[str]:
        """The operations of where one is looked for, in the form in which it is meant, for messages."""

    def message(self, reference: OperationRef, source: Source | None) -> Message | None:
        """The event that is meant by the channel, or the operation on one, of a document."""

    def messages(self) -> Iterable[str]:
        """All event types, for messages."""
