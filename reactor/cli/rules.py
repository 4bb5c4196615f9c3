"""`reactor rules`: list rules, and run the tests beside them. Needs no server."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from reactor.cli.catalog import config_option, json_option, settings_of
from reactor.cli.shown import print_json
from reactor.config import load_config
from reactor.rehearsal.suite import Checked, run_tests

EXAMPLES = """\b
Examples:
  reactor rules ls
  reactor rules test                 every config/rules/*.test.yaml
  reactor rules test -k volume       the tests whose names say so
"""


@click.group(short_help="List rules, and run the tests beside them.", epilog=EXAMPLES)
def rules() -> None:
    """Rules of config/rules/, and their tests. What they did is told by `reactor explain`."""


@rules.command(epilog=EXAMPLES)
@config_option
@json_option
def ls(config: Path | None, as_json: bool) -> None:
    """List the rules: what each is on, whether it is enforced, and what it asks for."""
    found = [
        {
            "name": rule.name,
            "on": list(rule.on),
            "enforce": rule.controls.enforce,
            "do": [f"{action.kind.name} {action.subject}" for action in rule.actions],
        }
        for rule in load_config(settings_of(config).config).rules.rules
    ]
    if as_json:
        print_json(found)
        return
    for rule in found:
        mark = "" if rule["enforce"] == "on" else f"  ({rule['enforce']})"
        click.echo(f"{rule['name']}  on {', '.join(rule['on'])}: {', '.join(rule['do'])}{mark}")


@rules.command("test", epilog=EXAMPLES)
@click.option("-k", "wanted", default="", metavar="TEXT", help="Only tests whose names contain it.")
@config_option
@json_option
def run(wanted: str, config: Path | None, as_json: bool) -> None:
    """Run the tests beside the rules, config/rules/*.test.yaml, with a clock of their own and no effects.

    Says of each test that failed which expectation was not met and why, clause by clause. Exits with 1 if one failed.
    """
    directory = settings_of(config).config
    tests = [each for each in run_tests(load_config(directory), directory) if wanted in each.judged.name]
    if as_json:
        print_json([asdict(each) | {"passed": each.passed} for each in tests])
    else:
        click.echo("\n".join(_lines(tests, wanted)))
    if not all(each.passed for each in tests) or (wanted and not tests):
        raise SystemExit(1)


def _lines(tests: Sequence[Checked], wanted: str) -> Iterator[str]:
    for each in tests:
        yield f"{'passed' if each.passed else 'FAILED'}  {each.file}:{each.line}: {each.judged.name}"
        for failure in each.judged.failures:
            yield from (f"        {line}" for line in failure)
    passed = sum(each.passed for each in tests)
    if not tests and wanted:
        yield f"no test has {wanted!r} in its name"
    elif not tests:
        yield "there are no tests: write config/rules/*.test.yaml (docs/rules.md, Tests)"
    elif passed == len(tests):
        yield f"{passed} passed"
    else:
        yield f"{len(tests) - passed} of {len(tests)} failed"
