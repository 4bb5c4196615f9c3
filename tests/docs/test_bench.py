"""Every program that measures says how it is run, and the documents say which figures are its."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = [*(ROOT / "bench").glob("[!_]*.py"), *(path.parent for path in (ROOT / "bench").glob("*/__main__.py"))]
PROGRAMS = sorted(path.stem for path in PLACES)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_how_it_is_run(name: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "tests"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert said.returncode == 0, said.stderr
    assert f"python -m bench.{name}" in said.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_documents_name_the_program_whose_figures_they_quote(name: str) -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md")]

    assert [text for text in texts if f"python -m bench.{name}`" in text]
