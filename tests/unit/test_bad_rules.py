"""Bad files of rules, one by one: each ends in an error with its place and remedy, within a second and 200 MB."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor.rules.cel import Scope, Unknown

CONFIG = Path(__file__).parents[2] / "config"
MEGABYTES = 200

RULE = """\
rules:
  - name: a-rule
    on: volume.state.updated
    match: {newState: ready}
    do:
      - call: daytona.createSandbox
        body: {name: "sandbox-${event.id}", snapshot: base}
"""


def with_(old: str, new: str) -> bytes:
    """The sound rule with something else in it."""
    assert old in RULE
    return RULE.replace(old, new).encode()


LAUGHS = (
    "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)) + "rules: *a39\n"
)
MERGES = (
    "b0: &b0 {a: 1}\n" + "".join(f"b{n}: &b{n}\n  <<: [*b{n - 1}, *b{n - 1}]\n" for n in range(1, 26)) + "rules: []\n"
)
NESTED = "${[1,2].all(a, [1,2].all(b, [1,2].all(c, a + b + c + event.nme > 0)))}"

NEVER = """\
  - name: r-%s
    on: volume.state.updated
    match: {newState: {anything-but: ready}}
    when: event.newState == event.oldState && event.newState != event.oldState && event.id == "%s"
    do: [{call: daytona.listVolumes}]
"""

BAD = {
    "107 empty": (b"", "r.yaml:1:1: found nothing, expected a mapping"),
    "108 no mapping": (b"- a\n", "r.yaml:1:1: found a list, expected a mapping"),
    "109 a billion laughs": (LAUGHS.encode(), "r.yaml:1:5: found the anchor &a0, expected a plain value"),
    "110 merge keys": (MERGES.encode(), "found a merge key (<<), expected the fields themselves"),
    "111 an alias of itself": (b"rules: &a [*a]\n", "r.yaml:1:8: found the anchor &a, expected a plain value"),
    "112 a tag of Python": (b"rules: !!python/object/apply:os.system [id]\n", "r.yaml:1:8: found the tag"),
    "113 two documents": (RULE.encode() + b"---\n" + RULE.encode(), "r.yaml:8:1: found a second document (---)"),
    "114 a key twice": (with_("    on:", "    name: b\n    on:"), "r.yaml:3:5: found the key 'name' again"),
    "115 a rule twice": (RULE.encode() + RULE.removeprefix("rules:\n").encode(), "r.yaml:8:11: found 'a-rule' a second time"),
    "117 a word of YAML 1.1": (with_("ready", "NO"), "r.yaml:4:23: found 'NO', expected one of"),
    "117 an old octal number": (with_("newState: ready", "name: 010"), "r.yaml:4:19: found a pattern that no string"),
    "117 a time": (with_("newState: ready", "newState: 1:30"), "r.yaml:4:23: found '1:30', expected one of"),
    "118 a tab": (with_("    on:", "\ton:"), "r.yaml:3:1: found a tab, expected spaces"),
    "119 a null character": (with_("base", "ba\0se"), "r.yaml:7:57: found the character U+0000, expected text"),
    "120 five megabytes": (RULE.encode() + b"#" * 5_000_000, "bytes, expected at most 262144: split the file"),
    "121 ten thousand rules": (
        b"rules:\n" + b"".join(RULE.removeprefix("rules:\n").replace("a-rule", f"r-{n}").encode() for n in range(10_000)),
        "bytes, expected at most 262144: split the file",
    ),
    "123 a backreference": (with_("${event.id}", r"${event.name.matches(r'(a)\\1')}"), "invalid escape sequence"),
    "124 an invalid regular expression": (with_("${event.id}", "${event.name.matches('(')}"), "which is no regular exp"),
    "125 nested loops over a field that is not there": (with_("${event.id}", NESTED), "undeclared reference to 'event.nme'"),
    "126 an unknown field": (with_("${event.id}", "${event.idd}"), "r.yaml:7:22: in 'sandbox-${event.idd}': undeclared"),
    "127 a type that can't be": (with_("${event.id}", "${event.id + 1}"), "found no matching overload for '_+_'"),
    "128 a way into the interpreter": (with_("${event.id}", "${''.__class__}"), "cannot be the operand of a select"),
    "129 a text that fills the memory": (with_("${event.id}", "${'a' * 1000000000}"), "found no matching overload for '_*_'"),
    "130 a format's way out": (with_("${event.id}", "${0.__class__}"), "cannot be the operand of a select"),
    "131 a missing field": (with_("${event.id}", "${event.nme}"), "undeclared reference to 'event.nme'"),
    "132 a URL instead of an operation": (
        with_("daytona.createSandbox", "http://169.254.169.254/latest"),
        "r.yaml:6:15: found 'http://169.254.169.254/latest', expected",
    ),
    "132 a file": (with_("daytona.createSandbox", "file:///etc/passwd"), "r.yaml:6:15: found 'file:///etc/passwd'"),
    "133 an unknown action": (with_("call: daytona.createSandbox", "exec: rm"), "r.yaml:6:9: found 'exec', expected one of"),
    "133 a function": (with_("call: daytona.createSandbox", "call: os.system"), "r.yaml:6:15: found 'os', expected one of"),
    "134 a rule that triggers itself": (
        with_("volume.state.updated\n    match: {newState: ready}", "sandbox.created"),
        "on which this rule calls it again, for ever: narrow it by `match`",
    ),
    "135 a negative time": (with_("    do:", "    for: -5m\n    do:"), "found '-5m', expected a duration like"),
    "135 a huge time": (with_("    do:", "    cooldown: 99999999d\n    do:"), "at most 14d"),
    "136 a name with a colon": (with_("a-rule", '"a:rule"'), "r.yaml:2:11: found 'a:rule', expected"),
    "136 a name with a space": (with_("a-rule", "a rule"), "r.yaml:2:11: found 'a rule', expected"),
    "136 a name of 200 letters": (with_("a-rule", "a" * 200), "r.yaml:2:11: found 'aaaa"),
    "137 not UTF-8": (with_("base", "BYTE").replace(b"BYTE", b"\xff"), "r.yaml:7:55: found the byte 0xFF, expected UTF-8"),
    "a line of 256 KiB": (with_("base", '"' + "x" * 250_000 + '${"'), "the `${` has no closing `}`"),
    "ten thousand `${`": (with_("base", '"' + "${" * 10_000 + '"'), "the `${` has no closing `}`"),
    "a quarter megabyte of brackets": (b"[" * 262_000, "r.yaml:1:21: found more than 20 levels"),
    "an expression without end": (with_("${event.id}", "${" + "1+" * 100_000 + "1}"), "exceeds codepoint limit"),
    "a thousand mistakes": (with_("{newState: ready}", "{" + ", ".join(f"f{n}: 1" for n in range(9000)) + "}"), "found 'f1'"),
    "hundreds of conditions that nothing meets": (
        b"rules:\n" + b"".join((NEVER % (n, n)).encode() for n in range(500)),
        "never true whatever id, newState and oldState are",
    ),
    "thousands of actions that are none": (
        with_("    do:\n", "    do:\n" + "".join(f"      - {{a{n}: 1}}\n" for n in range(13_000))),
        "r.yaml:6:7: found 13001 actions, expected at most 100: make several rules of it",
    ),
    "thousands of rules that are none": (b"rules:\n" + b"  - {}\n" * 35_000, "r.yaml:2:5: found no 'do'"),
    "thousands of operators that are none": (
        with_("newState: ready", f"name: [{', '.join(['{prefx: a}'] * 15_000)}]"),
        "found operator 'prefx', expected one of",
    ),
    "branches without number": (
        with_("newState: ready", f"$or: [{', '.join(['{$or: [{name: a}, {name: b}]}'] * 4000)}], id: {{prefix: 5}}"),
        "r.yaml:4:",
    ),
}  # fmt: skip


class Checker:
    """A process that checks directories within limits."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "bounded.py"), str(CONFIG)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def check(self, directory: Path) -> dict[str, Any]:
        """What is wrong with a directory, and what it took to find out."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{directory}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert answer["ended"] == 0, answer
        assert answer["kilobytes"] < MEGABYTES * 1024, answer["kilobytes"]
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def checker() -> Iterator[Checker]:
    checker = Checker()
    yield checker
    checker.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The shipped configuration without rules."""
    shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("rules"))
    (tmp_path / "config" / "rules").mkdir()
    return tmp_path / "config"


@pytest.mark.parametrize(("content", "expected"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_of_rules_ends_in_an_error_soon(
    content: bytes, expected: str, checker: Checker, directory: Path
) -> None:
    (directory / "rules" / "r.yaml").write_bytes(content)

    found = checker.check(directory)["problems"]

    if expected:
        assert any(expected in problem for problem in found), found[:5]
        assert all("r.yaml:" in problem for problem in found)


def _nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def _itself(path: Path) -> None:
    path.symlink_to(path.name)


def _unreadable(path: Path) -> None:
    path.symlink_to("/proc/self/mem")  # a regular file that nobody can read from its beginning, root neither


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "137 a directory": (Path.mkdir, "Is a directory"),
    "137 a link to nothing": (_nowhere, "No such file or directory"),
    "137 a link to itself": (_itself, "Too many levels of symbolic links"),
    "137 a file that can't be read": (_unreadable, "Input/output error"),
    "137 a device": (_endless, "is no regular file"),
    "137 a pipe": (os.mkfifo, "is no regular file"),
}


@pytest.mark.parametrize(("make", "expected"), FILES.values(), ids=FILES.keys())
def test_what_is_no_file_is_an_error_soon(
    make: Callable[[Path], object], expected: str, checker: Checker, directory: Path
) -> None:
    make(directory / "rules" / "r.yaml")

    [found] = checker.check(directory)["problems"]

    assert found == f"{directory}/rules/r.yaml: can't be read: {expected}"


SOUND = {
    "116 `on` without quotes": RULE.encode(),
    "122 a regular expression that others never end": with_("${event.id}", "${event.name.matches('(a+)+$')}"),
    "a list of 256 KiB": with_("newState: ready", f"name: [{', '.join(f'a{n}' for n in range(30_000))}]"),
    "all but a list of 256 KiB": with_(
        "newState: ready", f"name: {{anything-but: [{', '.join(f'a{n}' for n in range(30_000))}]}}"
    ),
    "128 braces of templates": with_("${event.id}", "{{ ''.__class__ }} ${event.id}"),
    "130 braces of formats": with_("${event.id}", "{0.__class__} ${event.id}"),
}


@pytest.mark.parametrize("content", SOUND.values(), ids=SOUND.keys())
def test_what_harms_others_and_means_nothing_here_is_sound(content: bytes, checker: Checker, directory: Path) -> None:
    (directory / "rules" / "r.yaml").write_bytes(content)

    assert checker.check(directory)["problems"] == []


NUMBERS = f"[{','.join(map(str, range(60)))}]"
HOSTILE = {
    "122 backtracking": "event.name.matches('(a+)+$')",
    "125 four loops in each other": "N.all(a, N.all(b, N.all(c, N.all(d, a + b + c + d >= 0))))".replace("N", NUMBERS),
    "125 lists of lists": "N.map(a, N.map(b, N.map(c, N.map(d, 'x'))))".replace("N", NUMBERS),
    "127 a type that only an event shows": "event.data.id + 1 > 2",
}


@pytest.mark.parametrize("expression", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_expression_has_no_value_or_a_quick_one(expression: str) -> None:
    compiled = Scope({"name": "string"}).compile(expression)
    began = time.process_time()

    try:
        value = compiled.evaluate({"event.name": "a" * 100_000 + "!", "event.data": {"id": "text"}})
    except Unknown:
        value = None

    assert value in (None, False)
    assert time.process_time() - began < 1
