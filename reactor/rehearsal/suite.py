"""The tests beside the rules of a configuration directory: found, read and run.

Owns where they are: `rules/*.test.yaml`. They are no part of a revision; what they find keeps one out of force.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from reactor.config import TESTS, Config, Directory, Inspection, inspect
from reactor.errors import ConfigError, Problem
from reactor.rehearsal.judge import Judged, judge
from reactor.review import masked
from reactor.rules.examples import ExampleFile
from reactor.yaml12 import Document, load, validate


@dataclass(frozen=True, slots=True)
class Checked:
    """One test and where it stands."""

    file: str
    line: int
    judged: Judged

    @property
    def passed(self) -> bool:
        """Whether every expectation was met, and nothing else happened."""
        return not self.judged.failures


def run_tests(config: Config, directory: Path) -> list[Checked]:
    """Run every test of a directory. Raises ConfigError with everything that is wrong with the files themselves."""
    return _run(config, _files(Directory(directory)))


def _run(config: Config, files: Iterable[tuple[Document, ExampleFile]]) -> list[Checked]:
    return [
        Checked(document.file, document.values["tests", number][0], judge(config, example))
        for document, file in files
        for number, example in enumerate(file.tests)
    ]


def inspect_with_tests(directory: Path) -> Inspection:
    """All that is wrong with a directory, its tests included: those that fail keep it out of force as any error does."""
    found = inspect(directory)
    try:
        files = _files(Directory(directory))
        failed = failures(_run(found.config, files)) if found.config else []
    except ConfigError as error:
        failed = list(error.problems)
    if not failed:
        return found
    shown = (replace(problem, message=masked(problem.message)) for problem in failed)
    return Inspection(None, tuple(sorted({*found.problems, *shown})), {**found.texts, **_texts(Directory(directory))})


def _texts(directory: Directory) -> dict[str, bytes]:
    """The files of tests that can be read, by the names that problems say."""
    texts = {}
    for name in _names(directory, []):
        with suppress(OSError):  # said already, as a problem
            texts[directory.place(name)] = directory.read(name)
    return texts


def _names(directory: Directory, problems: list[Problem]) -> list[str]:
    try:
        return directory.names(f"rules/*{TESTS}")
    except OSError as error:
        problems.append(Problem(directory.place("rules"), 0, 0, f"can't be read: {error.strerror}"))
        return []


def _files(directory: Directory) -> list[tuple[Document, ExampleFile]]:
    files: list[tuple[Document, ExampleFile]] = []
    problems: list[Problem] = []
    for name in _names(directory, problems):
        try:
            document = load(directory.read(name), directory.place(name))
            files.append((document, validate(document, ExampleFile)))
        except ConfigError as error:
            problems += error.problems
        except OSError as error:
            problems.append(Problem(directory.place(name), 0, 0, f"can't be read: {error.strerror}"))
    if problems:
        raise ConfigError(*problems)
    return files


def failures(tests: Iterable[Checked]) -> list[Problem]:
    """What to say of the tests that did not pass: each once, with all that was not as expected."""
    return [Problem(each.file, each.line, 1, _said(each.judged)) for each in tests if not each.passed]


def _said(judged: Judged) -> str:
    lines = (line for failure in judged.failures for line in failure)
    return "\n  ".join([f"test failed: {judged.name}", *lines])
