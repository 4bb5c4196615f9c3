"""The format of API files as docs/apis.md shows it: its examples load, and they leave no field out."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from reactor.apis.provider import Provider
from reactor.yaml12 import load, validate

PAGE = (Path(__file__).parents[2] / "docs" / "apis.md").read_text("utf-8")
SMALLEST, *PARTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)


def models(value: object) -> Iterator[BaseModel]:
    """A model and those in it."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from models(getattr(value, name))
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from models(member)


def test_the_smallest_file_is_enough() -> None:
    provider = validate(load(SMALLEST.encode(), "billing.yaml"), Provider)

    assert provider.server.url == "https://billing.example.com"
    assert provider.resources == {}


def test_the_page_shows_every_field_in_a_file_that_loads() -> None:
    provider = validate(load("".join(PARTS).encode(), "things.yaml"), Provider)

    shown: dict[type[BaseModel], set[str]] = {}
    for model in models(provider):
        shown.setdefault(type(model), set()).update(model.model_fields_set)
    assert shown == {kind: set(kind.model_fields) for kind in shown}
    assert len(shown) == 13
