"""What the emulator answers where it keeps no state: an example that fits the document, of every operation there is."""

from pathlib import Path

import jsonschema_rs
import pytest

from reactor.emulator.examples import Examples

APIS = Path(__file__).parents[2] / "config" / "apis"


@pytest.mark.parametrize("name", ["daytona", "daytona-toolbox", "runloop"])
def test_every_example_fits_its_schema(name: str) -> None:
    examples = Examples.of(APIS / f"{name}.openapi.json")
    components = {"components": {"schemas": dict(examples.document.schemas)}}
    tried = 0

    for operation in examples.document.operations.values():
        for status, schema in operation.responses.items():
            if schema and status.startswith("2"):
                jsonschema_rs.validate({"$ref": "#/it", "it": schema, **components}, examples.example(schema))
                tried += 1

    assert tried > 20


def test_what_others_answer_is_left_to_them_and_fixed_paths_come_first() -> None:
    examples = Examples.of(APIS / "daytona-toolbox.openapi.json", "/toolbox/{sandboxId}")

    rows = list(examples.operations({"ExecuteCommand"}))

    assert "ExecuteCommand" not in {row.id for row in rows}
    assert all(not row.path.startswith("/toolbox/") for row in rows)
    paths = [row.path for row in rows]
    assert paths.index("/process/session/entrypoint") < paths.index("/process/session/{sessionId}")
