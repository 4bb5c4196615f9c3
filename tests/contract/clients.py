"""The facts of the official clients, and how one differs from a shipped document.

`python tests/contract/clients.py` prints the table of differences that docs/apis.md shows.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reactor.apis.openapi import OpenApi, Operation

HERE = Path(__file__).parent
APIS = HERE.parents[1] / "config" / "apis"

NEWEST = (
    ("daytona", "daytona_api_client-0.231.0", ""),
    ("daytona-toolbox", "daytona_toolbox_api_client-0.226.1", "/toolbox/{sandboxId}"),
)
"""Per shipped document: the newest client when it was last compared, and what stands before the client's paths."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a client sends: the parameters and the fields of the body without which it sends nothing."""

    name: str
    needs: frozenset[str]
    body: frozenset[str]


def shape(place: str) -> str:
    """Method and path without the names of parameters, which versions change freely."""
    return re.sub(r"{[^}]*}", "{}", place)


def client(name: str, *, under: str = "") -> dict[str, Call]:
    """An official client's calls by method and path."""
    operations = json.loads((HERE / f"{name}.json").read_text("utf-8"))["operations"]
    calls = {}
    for place, fact in operations.items():
        method, path = place.split()
        needs = {*fact["needs"], *re.findall(r"{(\w+)}", under)}
        calls[f"{method} {under}{path}"] = Call(fact["name"], frozenset(needs), frozenset(fact["body"]))
    return calls


def document(name: str) -> OpenApi:
    """A shipped document."""
    return OpenApi.parse(json.loads((APIS / f"{name}.openapi.json").read_text("utf-8")))


def places(openapi: OpenApi) -> dict[str, Operation]:
    """A document's operations by method and path."""
    return {f"{operation.method} {operation.path}": operation for operation in openapi.operations.values()}


def call_of(openapi: OpenApi, operation: Operation) -> Call:
    """What the document says that a call of an operation needs."""
    schema = openapi.resolve((operation.body and operation.body.schema) or {})
    needs = frozenset(parameter.name for parameter in operation.parameters if parameter.required)
    return Call(operation.id, needs, frozenset(schema.get("required", ())))


def drift(name: str, newest: dict[str, Call]) -> Iterator[tuple[str, str]]:
    """Where the newest client differs from a document: the operation and the difference."""
    openapi = document(name)
    ours = {shape(place): (place, operation) for place, operation in places(openapi).items()}
    theirs = {shape(place): (place, call) for place, call in newest.items()}
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in ours:
            yield theirs[key][0], "new"
        elif key in theirs:
            place, operation = ours[key]
            if changed := _changed(call_of(openapi, operation).body, theirs[key][1].body):
                yield place, changed
        elif not ours[key][1].deprecated:
            yield ours[key][0], "gone"


def _changed(ours: frozenset[str], theirs: frozenset[str]) -> str:
    words = [f"now needs `{field}`" for field in sorted(theirs - ours)]
    return ", ".join(words + [f"no longer needs `{field}`" for field in sorted(ours - theirs)])


def table() -> str:
    """The differences of all newest clients, in Markdown."""
    lines = ["| API | operation | in the newest client |", "|---|---|---|"]
    for name, newest, under in NEWEST:
        lines += [f"| {name} | `{place}` | {change} |" for place, change in drift(name, client(newest, under=under))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
