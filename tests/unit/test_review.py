"""What a careful colleague would say of rules that are well-formed, on the shipped APIs."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from reactor.config import inspect

CONFIG = Path(__file__).parents[2] / "config"
KEY = "dtn_" + "0a1b2c3d4e5f" * 4
DRAWN = "aZ3kP9qL7xW2mN8vR4tY"


def rule(
    name: str = "a-rule", *, on: str = "volume.state.updated", match: str = "{newState: ready}", **more: str
) -> str:
    """A rule as it is written."""
    call = more.pop("call", 'daytona.getVolume\n        parameters: {volumeId: "${event.id}"}')
    extra = "".join(f"    {field}: {value}\n" for field, value in more.items())
    return f"  - name: {name}\n    on: {on}\n    match: {match}\n{extra}    do:\n      - call: {call}\n"


def said(tmp_path: Path, *rules: str, **files: str) -> list[str]:
    """What is found, as `file:line:column: severity: message`."""
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    (directory / "rules" / "r.yaml").write_text("rules:\n" + "".join(rules), "utf-8")
    for name, text in files.items():
        (directory / "rules" / f"{name}.yaml").write_text(text, "utf-8")
    found = inspect(directory).problems
    return sorted(
        f"{Path(each.file).name}:{each.line}:{each.column}: {each.severity}: {each.message}" for each in found
    )


def sandbox(name: str, snapshot: str = "base") -> str:
    return f'daytona.createSandbox\n        body: {{name: "{name}", snapshot: {snapshot}}}'


NEVER = {
    "two values at once": "{newState: ready, $or: [{newState: error}, {newState: deleted}]}",
    "a prefix that excludes the value": "{name: build-1, $or: [{name: {prefix: x}}, {name: {prefix: y}}]}",
    "a prefix that excludes a prefix": "{name: {prefix: a}, $or: [{name: {prefix: b}}, {name: {prefix: c}}]}",
    "what is excluded": "{name: {prefix: a}, $or: [{name: {anything-but: {prefix: a}}}, {name: {exists: false}}]}",
    "a number for a text": "{name: 5}",
    "a comparison for a text": '{name: {numeric: [">", 5]}}',
}


@pytest.mark.parametrize("match", NEVER.values(), ids=NEVER.keys())
def test_patterns_that_can_never_hold_are_an_error(match: str, tmp_path: Path) -> None:
    found = said(tmp_path, rule(match=match))

    assert len(found) == 1
    assert found[0].startswith("r.yaml:4:")
    assert "error: found" in found[0]


ALL = "creating", "ready", "pending_create", "pending_delete", "deleting", "deleted", "error"
UNLISTED = "what is not listed yet can be asked of event.data.newState"
NEVER_TRUE = {
    "a state that there is not": ("{}", ["event.newState == 'redy'"], "did you mean 'ready'?"),
    "one of several": ("{}", ["event.newState in ['ready', 'redy']"], "did you mean 'ready'?"),
    "the other way round": ("{}", ["'redy' != event.newState"], "can be compared with event.data.newState"),
    "two states at once": ("{}", ["event.newState == 'ready' && event.newState == 'error'"], UNLISTED),
    "no state begins so": ("{}", ["event.newState.startsWith('redy')"], UNLISTED),
    "two names at once": ("{}", ["event.name == 'a' && event.name in ['b', 'c']"], "whatever name is"),
    "nothing is asked": ("{}", ["1 > 2"], "is never true, expected what can be: the rule never fires"),
    "beside a pattern": ("{newState: ready}", ["event.newState == 'error'"], "never true beside `match`"),
    "beside a prefix": ("{name: {prefix: build-}}", ["event.name == 'data-1'"], "never true beside `match`"),
    "beside each branch": (
        "{$or: [{newState: ready, name: {prefix: a}}, {newState: error, name: {prefix: b}}]}",
        ["event.newState == 'ready' && event.name == 'b1'"],
        "never true beside `match`",
    ),
    "each by itself is well": (
        "{}",
        ["event.newState == 'ready'", "event.oldState == 'error'", "event.newState == 'error'"],
        "never true beside the expressions before it",
    ),
}


@pytest.mark.parametrize(("match", "when", "words"), NEVER_TRUE.values(), ids=NEVER_TRUE.keys())
def test_expressions_that_are_never_true_are_an_error(match: str, when: list[str], words: str, tmp_path: Path) -> None:
    found = said(tmp_path, rule(match=match, when=f"{when}"))

    assert len(found) == 1
    assert found[0].startswith("r.yaml:5:")
    assert ": error: in " in found[0]
    assert words in found[0]


ALWAYS_TRUE = {
    "a disjunction of negations": "event.newState != 'ready' || event.newState != 'error'",
    "nothing is asked": "1 < 2",
}


@pytest.mark.parametrize("when", ALWAYS_TRUE.values(), ids=ALWAYS_TRUE.keys())
def test_an_expression_that_is_always_true_is_a_warning(when: str, tmp_path: Path) -> None:
    found = said(tmp_path, rule(when=f'"{when}"'))

    assert len(found) == 1
    assert found[0].startswith("r.yaml:5:11: warning: in ")
    assert "always true" in found[0]


MAY_BE_TRUE = {
    "what match asks, too": ("{newState: ready}", "event.newState == 'ready'"),
    "a state that is not listed": ("{}", f"!(event.newState in {list(ALL)})"),
    "a state that is not listed, unchecked": ("{}", "event.data.newState == 'resting'"),
    "a state that is not listed, by both": ("{newState: {prefix: rest}}", "event.data.newState == 'resting'"),
    "two fields that differ": ("{newState: ready}", "event.oldState != event.newState"),
    "an end of any name": ("{}", "event.name.endsWith('-1') && event.newState == 'ready'"),
    "what only an event can tell": ("{}", "event.data.labels.exists(each, each == event.newState)"),
    "a branch that holds": (
        "{$or: [{newState: ready, name: {prefix: a}}, {newState: error, name: {prefix: b}}]}",
        "event.newState == 'error' && event.name == 'b1'",
    ),
    "letters of any case": ("{name: {equals-ignore-case: build}}", "event.name == 'BuiLd'"),
    "a name that is none of these": ("{name: {anything-but: [a, b]}}", "event.name != 'c'"),
}


@pytest.mark.parametrize(("match", "when"), MAY_BE_TRUE.values(), ids=MAY_BE_TRUE.keys())
def test_expressions_that_may_be_true_are_left_alone(match: str, when: str, tmp_path: Path) -> None:
    assert said(tmp_path, rule(match=match, when=f'"{when}"')) == []


def test_a_slip_in_what_is_filled_in_is_an_error_too(tmp_path: Path) -> None:
    found = said(
        tmp_path,
        rule(
            call="""daytona.getVolume
        parameters: {volumeId: "${event.newState == 'redy' ? event.id : event.name}"}"""
        ),
    )

    assert [line.partition(": error: ")[0] for line in found] == ["r.yaml:7:32"]
    assert "did you mean 'ready'?" in found[0]


def test_an_event_of_any_api_may_have_the_states_of_each(tmp_path: Path) -> None:
    assert said(tmp_path, rule(on='"*.state.updated"', match="{newState: [ready, running]}")) == []


def test_hundreds_of_warnings_keep_no_rule_out_of_force(tmp_path: Path) -> None:
    said(tmp_path, *(rule(f"r-{number}", when="1 < 2") for number in range(600)))

    found = inspect(tmp_path / "config")

    assert len(found.problems) > 600
    assert found.config
    assert len(found.config.rules.rules) == 600


REPLACING = "daytona.replaceLabels\n        parameters: {sandboxIdOrName: s}\n        body: "


@pytest.mark.parametrize("body", ['{labels: {team: "${event.name}"}}', '"${event.data}"'])
def test_a_call_that_takes_the_label_of_the_reactor_off_is_a_warning(body: str, tmp_path: Path) -> None:
    found = said(tmp_path, rule(call=REPLACING + body))

    assert len(found) == 1
    assert found[0].startswith("r.yaml:6:15: warning: found replaceLabels, which replaces all labels of a sandbox")


def test_labels_of_what_the_reactor_does_not_label_may_be_replaced(tmp_path: Path) -> None:
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    (directory / "rules" / "r.yaml").write_text("rules:\n" + rule(call=REPLACING + "{labels: {team: a}}"), "utf-8")
    api = directory / "apis" / "daytona.yaml"
    text = api.read_text("utf-8")
    api.write_text(text.replace("resource: sandbox\n    labels: $.labels\n", "resource: sandbox\n"), "utf-8")

    assert inspect(directory).problems == ()


def test_a_range_without_numbers_is_an_error(tmp_path: Path) -> None:
    call = "daytona.getVolume\n        parameters: {volumeId: v}"
    found = said(tmp_path, rule(on="other.event", match='{size: {numeric: [">", 5, "<", 3]}}', call=call))

    assert len(found) == 1
    assert "error: found what no value of size can be" in found[0]


CAN = {
    "branches of which one holds": "{newState: ready, $or: [{newState: error}, {name: {prefix: a}}]}",
    "a prefix and a longer one": "{name: {prefix: a}, $or: [{name: {prefix: ab}}, {name: {prefix: x}}]}",
    "a prefix and a suffix": "{name: {prefix: a}, $or: [{name: {suffix: b}}, {name: {suffix: c}}]}",
    "all but one": "{name: {anything-but: [x]}, $or: [{name: {prefix: x}}, {name: y}]}",
    "a field that is absent": "{errorReason: {exists: false}}",
    "letters of any case": "{name: {equals-ignore-case: aB}, $or: [{name: {prefix: aB}}, {name: {prefix: Ab}}]}",
}


@pytest.mark.parametrize("match", CAN.values(), ids=CAN.keys())
def test_patterns_that_can_hold_are_left_alone(match: str, tmp_path: Path) -> None:
    assert [line for line in said(tmp_path, rule(match=match)) if "no value" in line or "never fires" in line] == []


def test_a_rule_that_another_one_repeats_or_covers_is_a_warning(tmp_path: Path) -> None:
    found = said(
        tmp_path,
        rule("first"),
        rule("second"),
        rule("third", match="{newState: ready, name: {prefix: build-}}"),
        rule("other", match="{newState: error}"),
    )

    assert found == [
        "r.yaml:14:11: warning: found a rule that 'first' covers: whenever this fires, that does the same, too",
        "r.yaml:8:11: warning: found the rule 'first' again, expected one of them: the same is done twice",
    ]


LOOPS = {
    "a create that asks for its own name": [
        rule(on="sandbox.state.updated", match="{newState: started}", call=sandbox("again-${event.id}"))
    ],
    "a create whose name has the prefix": [
        rule(
            on="volume.created",
            match="{name: {prefix: b-}}",
            call='daytona.createVolume\n        body: {name: "b-${event.id}"}',
        )
    ],
    "a move into the state that it waits for": [
        rule(
            on="sandbox.state.updated",
            match="{newState: started}",
            call='daytona.startSandbox\n        parameters: {sandboxIdOrName: "${event.id}"}',
        )
    ],
    "two rules": [
        rule(
            "start",
            on="sandbox.state.updated",
            match="{newState: stopped}",
            call='daytona.startSandbox\n        parameters: {sandboxIdOrName: "${event.id}"}',
        ),
        rule(
            "stop",
            on="sandbox.state.updated",
            match="{newState: started}",
            call='daytona.stopSandbox\n        parameters: {sandboxIdOrName: "${event.id}"}',
        ),
    ],
}


@pytest.mark.parametrize("rules", LOOPS.values(), ids=LOOPS.keys())
def test_rules_that_call_themselves_up_are_a_warning(rules: Sequence[str], tmp_path: Path) -> None:
    found = said(tmp_path, *rules)

    assert len(found) == 1
    assert "warning: may cause events" in found[0]
    assert "for ever" in found[0]


NO_LOOPS = {
    "another name": rule(
        on="volume.created",
        match="{name: {prefix: b-}}",
        call='daytona.createVolume\n        body: {name: "c-${event.id}"}',
    ),
    "a field that nobody can foresee": rule(
        on="sandbox.created", match="{organizationId: o-1}", call=sandbox("again-${event.id}", "other")
    ),
    "a cooldown": rule(
        on="sandbox.state.updated", match="{newState: started}", cooldown="1h", call=sandbox("again-${event.id}")
    ),
    "a state that it does not lead to": rule(
        on="sandbox.state.updated",
        match="{newState: error}",
        call='daytona.recoverSandbox\n        parameters: {sandboxIdOrName: "${event.id}"}',
    ),
    "only once it is gone": rule(
        on="sandbox.state.updated", match="{newState: destroyed}", call=sandbox("again-${event.id}")
    ),
}


@pytest.mark.parametrize("written", NO_LOOPS.values(), ids=NO_LOOPS.keys())
def test_a_rule_that_does_not_call_itself_up_is_left_alone(written: str, tmp_path: Path) -> None:
    assert said(tmp_path, written) == []


def emitting(name: str, on: str, emit: str, *, match: str = "{}", **more: str) -> str:
    """A rule that emits, as it is written."""
    data = more.pop("data", "{}")
    extra = "".join(f"    {field}: {value}\n" for field, value in more.items())
    do = f"    do:\n      - emit: {emit}\n        data: {data}\n"
    return f"  - name: {name}\n    on: {on}\n    match: {match}\n{extra}{do}"


EMITTED_CIRCLES = {
    "two rules": [emitting("one", "fleet.lost", "fleet.found"), emitting("two", "fleet.found", "fleet.lost")],
    "three rules": [
        emitting("one", "fleet.a", "fleet.b"),
        emitting("two", "fleet.b", "fleet.c"),
        emitting("three", "fleet.c", "fleet.a"),
    ],
    "by a pattern": [emitting("one", '"fleet.*"', "fleet.found")],
    "the value that is asked for": [
        emitting("one", "fleet.lost", "fleet.lost", match="{why: full}", data="{why: full}")
    ],
    "a value that differs": [
        emitting("one", "fleet.lost", "fleet.lost", match="{why: full}", data='{why: "${event.data.why}"}')
    ],
    "a field that is absent": [emitting("one", "fleet.lost", "fleet.lost", match="{why: {exists: false}}")],
}


@pytest.mark.parametrize("rules", EMITTED_CIRCLES.values(), ids=EMITTED_CIRCLES.keys())
def test_a_circle_of_emitted_events_is_a_warning_that_says_what_cuts_it(rules: Sequence[str], tmp_path: Path) -> None:
    found = said(tmp_path, *rules)

    assert len(found) == 1
    assert found[0].startswith("r.yaml:6:")
    assert "warning: may cause events" in found[0]
    assert "cut by lineage: one does not act on what follows from it" in found[0]
    assert "for ever" not in found[0]


def test_a_circle_is_found_behind_a_thousand_rules_that_are_no_part_of_it(tmp_path: Path) -> None:
    many = [rule(f"r-{n}", match=f"{{name: v-{n}}}", call=sandbox(f"s-{n}-${{event.id}}")) for n in range(1000)]
    create = 'daytona.createVolume\n        body: {name: "s-${event.id}"}'
    last = rule("again", on="volume.created", match="{name: {prefix: s-}}", call=create)

    found = said(tmp_path, *many[:500], one="rules:\n" + "".join(many[500:]), two="rules:\n" + last)

    assert [line for line in found if "on which again makes it again, for ever" in line]


def test_a_circle_with_a_call_in_it_lasts_for_ever(tmp_path: Path) -> None:
    create = 'daytona.createVolume\n        body: {name: "b-${event.data.what}"}'

    found = said(
        tmp_path,
        emitting("tells", "volume.created", "fleet.volume-made", match="{name: {prefix: b-}}"),
        rule("makes", on="fleet.volume-made", match="{}", call=create),
    )

    assert [line for line in found if "in a circle: tells → makes → tells, for ever" in line]


NO_EMITTED_CIRCLES = {
    "another type": [emitting("one", "fleet.lost", "fleet.found")],
    "another value": [emitting("one", "fleet.lost", "fleet.lost", match="{why: full}", data="{why: empty}")],
    "a field that it has not": [emitting("one", "fleet.lost", "fleet.lost", match="{why: full}")],
    "an expression": [emitting("one", "fleet.lost", "fleet.lost", when="event.data.n < 3")],
    "a rule that is off": [
        emitting("one", "fleet.lost", "fleet.found"),
        emitting("two", "fleet.found", "fleet.lost", enforce="off"),
    ],
}


@pytest.mark.parametrize("rules", NO_EMITTED_CIRCLES.values(), ids=NO_EMITTED_CIRCLES.keys())
def test_emitted_events_that_come_back_to_no_rule_are_left_alone(rules: Sequence[str], tmp_path: Path) -> None:
    assert said(tmp_path, *rules) == []


MEANT = (
    "expected one of 'fleet.volume-lost', 'ops.heard', 'ops.paid', 'ops.told', 'ops.waited'; did you mean "
    "'fleet.volume-lost'? No rule emits it, and no API sends it"
)


def test_a_rule_on_nearly_a_type_that_is_emitted_is_a_warning(tmp_path: Path) -> None:
    unless = "{on: fleet.volume-losst, within: 5m}"

    found = said(
        tmp_path,
        emitting("tells", "volume.created", "fleet.volume-lost"),
        emitting("hears", "fleet.volume-lst", "ops.told"),
        emitting("waits", "ops.told", "ops.waited", unless=unless),
        emitting("other", "billing.invoice-paid", "ops.paid"),
        emitting("right", "fleet.volume-lost", "ops.heard"),
    )

    assert [line.partition(": warning: found ")[::2] for line in found] == [
        ("r.yaml:17:18", f"'fleet.volume-losst', {MEANT}"),
        ("r.yaml:9:9", f"'fleet.volume-lst', {MEANT}"),
    ]


def test_a_pattern_of_types_that_fits_nothing_is_a_warning(tmp_path: Path) -> None:
    found = said(
        tmp_path,
        emitting("slip", '"volumes.*"', "ops.told"),
        emitting("right", '"*.state.updated"', "ops.heard", match="{newState: error}"),
        emitting("ours", '"ops.*"', "audit.made"),
    )

    assert [line.partition(",")[0] for line in found] == ["r.yaml:3:9: warning: found 'volumes.*'"]
    assert found[0].endswith("No API sends, and no rule emits, what it fits")


def test_a_name_that_is_taken_says_by_whom(tmp_path: Path) -> None:
    found = said(tmp_path, rule("twice"), other="rules:\n" + rule("twice", match="{newState: error}"))

    assert found == [
        "r.yaml:2:11: error: found 'twice' a second time, expected a name of its own: other.yaml:2 has it",
    ]


def test_a_rule_on_nothing_is_an_error(tmp_path: Path) -> None:
    found = said(tmp_path, rule(on='""'))

    assert len(found) == 1
    assert found[0].startswith("r.yaml:3:9: error: found ''")


def test_a_create_without_a_name_of_its_own_is_a_warning_unless_the_one_there_is_used(tmp_path: Path) -> None:
    named = sandbox("the-one")

    found = said(
        tmp_path, rule(call=named), rule("other", match="{newState: error}", call=named + "\n        if_exists: use")
    )

    assert len(found) == 1
    assert "r.yaml:7:" in found[0]
    assert "warning: found the name 'the-one', the same for every event" in found[0]


TRANSITIONS = {
    "{oldState: deleted, newState: ready}": "after which nothing follows",
    "{oldState: ready, newState: ready}": "events tell changes of state",
    "{oldState: creating, newState: ready}": "a state that is passed through",
}


@pytest.mark.parametrize(("match", "words"), TRANSITIONS.items(), ids=TRANSITIONS.keys())
def test_changes_that_hardly_happen_are_a_warning(match: str, words: str, tmp_path: Path) -> None:
    found = said(tmp_path, rule(match=match))

    assert len(found) == 1
    assert ": warning: " in found[0]
    assert words in found[0]


REGEXES = {r'"("': "missing )", r'r"(a)\1"': "invalid escape", '"a{1001}"': "invalid repetition size"}


@pytest.mark.parametrize(("regex", "words"), REGEXES.items(), ids=REGEXES.keys())
def test_a_regular_expression_that_is_none_is_an_error(regex: str, words: str, tmp_path: Path) -> None:
    found = said(tmp_path, rule(when=f"'event.name.matches({regex})'"))

    assert len(found) == 1
    assert ": error: found " in found[0]
    assert words in found[0]


SECRETS = {
    "an API key": f'    description: "{KEY}"',
    "a signing secret in a comment": "    # whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "a bearer token": '    description: "Bearer abcdefghijklmnop1234"',
}


@pytest.mark.parametrize("line", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_in_clear_is_an_error_that_does_not_repeat_it(line: str, tmp_path: Path) -> None:
    found = said(tmp_path, rule() + line + "\n")

    assert any(": error: found what is a secret in clear, expected its name" in each for each in found)
    assert not any(KEY in each or "MfKQ" in each for each in found)


def test_a_message_about_something_else_does_not_repeat_a_secret_either(tmp_path: Path) -> None:
    found = said(tmp_path, rule(call=f"{KEY}.getVolume"))

    assert len(found) == 2
    assert not any(KEY in each for each in found)


def test_what_looks_drawn_under_the_name_of_a_secret_is_a_warning(tmp_path: Path) -> None:
    found = said(tmp_path, more=f'rules: []\n# password: "{DRAWN}"\n# password: "the-name-of-a-secret"\n')

    assert [each.partition(", expected")[0] for each in found if "more.yaml" in each] == [
        "more.yaml:2:14: warning: found what looks like a secret in clear"
    ]


def test_a_field_of_a_body_that_the_document_does_not_list_is_a_warning(tmp_path: Path) -> None:
    body = 'daytona.createSandbox\n        body: {name: "a-${event.id}", snapsht: base, volumes: [{volumeID: "${event.id}"}]}'

    found = said(tmp_path, rule(call=body))

    assert [each.partition(":")[0] for each in found] == ["r.yaml"] * len(found)
    assert any("warning: found 'snapsht'" in each and "did you mean 'snapshot'?" in each for each in found)
    assert any("warning: found 'volumeID'" in each and "did you mean 'volumeId'?" in each for each in found)


def test_a_file_of_rules_that_is_not_read_is_an_error(tmp_path: Path) -> None:
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory)
    (directory / "rules" / "team-a").mkdir()
    (directory / "rules" / "..2026_11_22").mkdir()
    for name in ("late.yml", "LATE.YAML", "team-a/r.yaml", "..2026_11_22/r.yaml"):
        (directory / "rules" / name).write_text("rules:\n" + rule(), "utf-8")

    found = [f"{Path(each.file).name}: {each.message}" for each in inspect(directory).problems]

    assert found == [
        "LATE.YAML: is not read: rename it, files of rules end in .yaml",
        "late.yml: is not read: rename it, files of rules end in .yaml",
        "r.yaml: is not read: move it, files of rules stand in rules/ itself",
    ]


def test_free_labels_are_no_unlisted_fields(tmp_path: Path) -> None:
    body = 'daytona.createSandbox\n        body: {name: "a-${event.id}", labels: {whatever: people-like}}'

    assert said(tmp_path, rule(call=body)) == []


def test_the_shipped_configuration_gives_no_cause_for_warnings() -> None:
    assert inspect(CONFIG).problems == ()


def test_what_is_wrong_in_several_files_is_told_at_once(tmp_path: Path) -> None:
    found = said(tmp_path, rule(match="{newSate: ready}"), more="rules: {}\n", third="rules:\n" + rule("b", on="5"))

    assert [each.partition(" ")[0] for each in found] == ["more.yaml:1:8:", "r.yaml:4:13:", "third.yaml:3:9:"]
