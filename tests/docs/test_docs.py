"""The documents are held against the program: what they list is all there is, and their examples run."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from reactor.cli import COMMANDS, reactor
from reactor.config import load_config
from reactor.http_api.api import STATUSES, ApiRoute
from reactor.http_api.table import ROUTES
from reactor.settings import Settings
from reactor.tokens import Tokens
from reactor.webhook import Reason

ROOT = Path(__file__).parents[2]
WORKFLOWS = (ROOT / "docs" / "workflows.md").read_text("utf-8")
API = (ROOT / "docs" / "api.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


def yaml_blocks(document: str) -> list[str]:
    text = (ROOT / document).read_text("utf-8")
    return [block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if re.search(r"^rules:", block, re.M)]


EXAMPLES = [(name, number) for name in ("README.md", "docs/rules.md") for number in range(len(yaml_blocks(name)))]


@pytest.mark.parametrize(("document", "number"), EXAMPLES)
def test_every_rule_in_the_documents_loads(document: str, number: int, tmp_path: Path) -> None:
    directory = tmp_path / "config"
    shutil.copytree(ROOT / "config", directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    (directory / "rules" / "example.yaml").write_text(yaml_blocks(document)[number], "utf-8")

    config = load_config(directory)

    assert config.rules.rules


def test_what_the_workflows_document_shows_is_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REACTOR_CONFIG", str(ROOT / "config"))
    shown = re.findall(r"```console\n\$ reactor (.*)\n((?:.*\n)*?)```", WORKFLOWS)

    assert shown
    for words, output in shown:
        assert CliRunner().invoke(reactor, words.split()).output == output


@pytest.mark.parametrize("words", re.findall(r"^reactor (\S.*)$", WORKFLOWS, re.M))
def test_every_command_line_of_the_workflows_document_is_understood(words: str) -> None:
    command: click.Command = reactor
    context, rest = click.Context(reactor), words.split()
    while isinstance(command, click.Group):
        found = command.get_command(context, rest.pop(0))
        assert found
        command = found

    assert command.make_context(words, rest)


def test_the_settings_table_is_the_settings() -> None:
    documented = dict(re.findall(r"^\| `REACTOR_(\w+)` \| `?([^|`]*)`? \|", OPERATIONS, re.M))

    assert set(documented) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        default = f"{field.default:g}" if isinstance(field.default, float) else default
        assert documented[name.upper()].strip() == default
        assert str(field.description) in OPERATIONS


def test_every_figure_is_documented() -> None:
    source = (ROOT / "reactor" / "metrics.py").read_text("utf-8")

    names = re.findall(r'"(reactor_\w+)"', source)
    assert len(names) > 8
    for name in names:
        assert name in OPERATIONS, name


def test_every_reason_of_a_refusal_is_documented() -> None:
    sources = "".join(
        (ROOT / "reactor" / name).read_text("utf-8") for name in ("app.py", "guard.py", "webhook.py", "events.py")
    )
    reasons = set(re.findall(r'(?:Delivery|Request)Rejected\(\s*\d+,\s*"(\w+)"', sources)) | {
        reason.name.lower() for reason in Reason
    }

    assert len(reasons) > 12
    for reason in reasons:
        assert f"`{reason}`" in OPERATIONS, reason


def test_every_command_that_the_documents_name_exists() -> None:
    for document in (
        "README.md",
        "docs/operations.md",
        "docs/workflows.md",
        "docs/rules.md",
        "docs/recipes.md",
        "CHANGELOG.md",
    ):
        named = re.findall(r"(?:`|^)reactor ([a-z]+)", (ROOT / document).read_text("utf-8"), re.M)

        assert named
        assert set(named) <= set(COMMANDS), document


def _commands_in(text: str) -> list[str]:
    """Command lines of a document, or of the examples in `--help`: on a line of their own, or between backticks."""
    blocks = "".join(re.findall(r"```.*?```", text, re.S))
    lines = re.findall(r"^(?:\$ )?reactor (\S.*)$", blocks, re.M)
    lines += re.findall(r"`reactor ([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return [line for line in lines if "…" not in line and "DIR]" not in line]


def _examples(command: click.Command) -> Iterator[str]:
    yield from re.findall(r"reactor (\S.*)$", command.epilog or "", re.M)
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from _examples(below)


DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND_LINES = [(path.name, line) for path in DOCUMENTS for line in _commands_in(path.read_text("utf-8"))]
COMMAND_LINES += [("--help", line) for line in sorted(set(_examples(reactor))) if "…" not in line]


def test_every_command_line_of_the_documents_has_options_that_there_are() -> None:
    assert len(COMMAND_LINES) > 150
    for document, line in COMMAND_LINES:
        words = re.split(r"\s\s|\s#|\s[|>&]+\s", line)[0].split()
        command: click.Command = reactor
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(click.Context(command), words[0])
            if found is None and command.invoke_without_command:
                break
            assert found is not None, (document, line)
            command, _ = found, words.pop(0)
        words = [word for word in words if word not in ("-h", "--help", "--version")]
        if words and not isinstance(command, click.Group):
            with suppress(click.BadOptionUsage):  # prose names an option without its value
                command.make_parser(click.Context(command)).parse_args(words)


def test_every_command_is_told_of_in_a_document() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {name for each in documents for name in re.findall(r"reactor ([a-z]+)", each.read_text("utf-8"))}

    assert set(COMMANDS) <= named


def test_decisions_are_numbered_once_and_short() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    assert [int(each.name[:4]) for each in decisions] == list(range(1, len(decisions) + 1))
    for number, each in enumerate(decisions, 1):
        text = each.read_text("utf-8")
        assert text.startswith(f"# {number}. "), each.name
        assert "**Decision.**" in text, each.name
        assert len(text.split()) < 450, each.name


def test_the_layers_of_decision_7_are_those_that_are_proved() -> None:
    proved = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    [written] = re.findall(r"```\n(.*?)```", (ROOT / "docs/decisions/0007-rooms.md").read_text("utf-8"), re.S)

    assert written.splitlines() == proved["layers"]


def test_every_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))

    named = re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text("utf-8"))
    assert {"demo", "test"} <= set(named) <= targets


def test_the_table_of_routes_is_the_routes() -> None:
    documented = re.findall(r"^\| `(\w+) (\S+)` \| (\w+) \| (.*) \| (.*) \|$", API, re.M)

    assert documented == [(route.method, route.path, route.role, _takes(route), route.says) for route in ROUTES]


def _takes(route: ApiRoute) -> str:
    body = f"`{{{', '.join(route.body)}}}`" if route.body else ""
    return body or ", ".join(f"`{name}`" for name in route.query)


def test_every_reason_of_the_api_is_documented() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "reactor" / "http_api").glob("*.py"))
    reasons = set(re.findall(r'(?:RequestRejected|problem)\(\s*\d+,\s*"(\w+)"', sources))
    reasons |= {reason for _, reason in STATUSES.values()}

    assert len(reasons) > 12
    for reason in reasons:
        assert f"`{reason}`" in API, reason


def test_the_tokens_that_the_document_shows_load(tmp_path: Path) -> None:
    [shown] = re.findall(r"```yaml\n(.*?)```", API, re.S)
    (tmp_path / "tokens.yaml").write_text(shown, "utf-8")

    assert {entry.role for entry in Tokens(tmp_path / "tokens.yaml").entries().values()} == {"read", "operate"}
