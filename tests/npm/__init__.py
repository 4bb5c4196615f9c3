"""What tests take from the npm registry: installed once, below .venv, in the versions of package.json."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WANTED = Path(__file__).parent / "package.json"
PATIENCE = 100.0
"""Seconds for npm, which takes a few."""


def package(name: str) -> Path:
    """Where a package is; all are installed unless they are there."""
    home = Path(sys.prefix) / f"npm-{hashlib.sha256(WANTED.read_bytes()).hexdigest()[:12]}"
    if not home.exists():
        _install(home)
    return home / "node_modules" / name


def _install(home: Path) -> None:
    """Several test processes may do so at once: each installs aside, and the first to be done wins."""
    if not shutil.which("npm"):
        pytest.fail("no npm on the PATH: some tests need Node.js 18 or later")
    aside = home.with_name(f"{home.name}.{os.getpid()}")
    aside.mkdir()
    try:
        shutil.copy(WANTED, aside)
        options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
        done = subprocess.run(["npm", "install", *options], cwd=aside, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            pytest.fail(f"npm could not install what {WANTED.name} wants:\n{done.stderr}")
        try:
            aside.rename(home)
        except OSError:
            if not home.exists():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
