"""The table of keys and the methods that name them say the same."""

import inspect
import re

import pytest

from reactor.store.keys import TABLE, Key, Keys


def words(key: Key) -> list[str]:
    """The placeholders of a key, without its instance."""
    return re.findall(r"{(\w+)}", key.name)[1:]


def method(key: Key) -> str:
    """The name of the method that names a key: the word after the instance."""
    return key.name.split(":")[1]


@pytest.mark.parametrize("key", TABLE, ids=method)
def test_a_key_of_the_table_is_what_its_method_names(key: Key) -> None:
    named = getattr(Keys("{i}"), method(key))

    assert (named(*(f"{{{word}}}" for word in words(key))) if words(key) else named) == key.name


def test_the_table_has_every_method_and_no_key_twice() -> None:
    methods = [name for name, _ in inspect.getmembers(Keys) if not name.startswith("_") and name != "instance"]

    assert sorted(map(method, TABLE)) == sorted(methods)


def test_every_key_has_a_type_a_content_and_a_lifetime() -> None:
    assert {key.type for key in TABLE} <= {"string", "hash", "zset", "stream", "list", "set"}
    assert [key.name for key in TABLE if not (key.holds and key.lives)] == []


def test_two_instances_share_no_key() -> None:
    assert [key.name for key in TABLE if not key.name.startswith("{i}:")] == []
