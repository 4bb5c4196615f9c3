"""Every recipe loads as it would once it is copied, without a warning; its tests pass; and the documents tell of it."""

import re
from pathlib import Path

import pytest
from recipes import NAMES, RECIPES, ROOT, with_recipes

from reactor.config import inspect, load_config
from reactor.rehearsal.suite import run_tests

DOCUMENT = (ROOT / "docs" / "recipes.md").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_sound_and_its_tests_pass(name: str, tmp_path: Path) -> None:
    directory = with_recipes(tmp_path / "config", name)

    found = inspect(directory)
    own = [each for each in run_tests(load_config(directory), directory) if f"/{name}.test.yaml" in each.file]

    assert found.problems == ()
    assert len(own) >= 2
    assert [each.judged for each in own if not each.passed] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_of_a_recipe_is_expected_by_one_of_its_tests(name: str, tmp_path: Path) -> None:
    rules = re.findall(r"^  - name: (\S+)", (RECIPES / f"{name}.yaml").read_text("utf-8"), re.M)
    expected = set(re.findall(r"rule: ([a-z0-9-]+)", (RECIPES / f"{name}.test.yaml").read_text("utf-8")))

    assert rules
    assert set(rules) == expected


def test_all_recipes_go_together(tmp_path: Path) -> None:
    directory = with_recipes(tmp_path / "config", *NAMES)

    assert [problem for problem in inspect(directory).problems if problem.severity == "error"] == []


def test_no_recipe_acts_before_it_is_copied() -> None:
    acting = {rule.name for rule in load_config(ROOT / "config").rules.rules}
    written = {
        name
        for path in RECIPES.glob("*.yaml")
        for name in re.findall(r"^  - name: ([a-z0-9-]+)$", path.read_text("utf-8"), re.M)
    }

    assert len(NAMES) >= 11
    assert not acting & written


def test_the_document_tells_of_every_recipe_and_of_no_other() -> None:
    assert sorted(re.findall(r"^## .*`([a-z-]+)`", DOCUMENT, re.M)) == sorted([*NAMES, "volumes"])
