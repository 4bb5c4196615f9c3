"""The shipped configuration with recipes copied into it, as docs/recipes.md says."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "config" / "recipes"
NAMES = sorted(path.stem for path in RECIPES.glob("*.yaml") if not path.name.endswith(".test.yaml"))


def with_recipes(directory: Path, *names: str) -> Path:
    """A configuration directory with these recipes beside its rules, and the APIs that recipes bring."""
    shutil.copytree(ROOT / "config", directory, ignore=shutil.ignore_patterns("recipes"))
    shutil.copytree(RECIPES / "apis", directory / "apis", dirs_exist_ok=True)
    for name in names:
        for ending in (".yaml", ".test.yaml"):
            shutil.copy(RECIPES / f"{name}{ending}", directory / "rules")
    return directory
