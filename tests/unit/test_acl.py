"""The users for the server may run every command that a script runs, and no kind of key is named that there isn't."""

import re

import pytest

from reactor.queue import jobs
from reactor.store import scripts
from reactor.store.acl import ROLES
from reactor.store.keys import TABLE

SOURCES = scripts.SOURCES | jobs.SOURCES

CONTAINERS = {"xgroup", "xinfo"}
"""Commands whose parts are allowed one by one."""


DISPATCHERS_OWN = {"trim", "leave"}
"""Scripts that no worker runs, nor what people ask a worker for."""

RUNS = {"dispatch": SOURCES.keys(), "work": SOURCES.keys() - DISPATCHERS_OWN, "web": {"accept"}}


@pytest.mark.parametrize(("role", "script"), [(role, script) for role, ran in RUNS.items() for script in sorted(ran)])
def test_what_a_script_runs_is_allowed_to_each_who_runs_it(role: str, script: str) -> None:
    allowed = {word for text in ROLES[role].commands for word in text.split()}
    calls = re.findall(r"redis\.p?call\('(\w+)'(?:, '(\w+)')?", SOURCES[script].lower())
    used = {f"{name}|{part}" if name in CONTAINERS else name for name, part in calls}

    assert used - allowed - {"time"} == set()


def test_every_kind_of_key_that_a_role_writes_exists() -> None:
    kinds = {key.name.split(":")[1] for key in TABLE} | {"*"}

    assert {kind for role in ROLES.values() for kind in role.writes} <= kinds
