"""How many connections the listeners of a process may have open: never more than the files that the process may have."""

import json
import subprocess
import sys

import pytest

from reactor.cli.files import OTHER_FILES
from reactor.cli.listener import OPEN_FOR_EACH

LIMITED = """
import json, resource, sys
limit, requests, besides = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 256), limit))
from reactor.cli.listener import most_open
print(json.dumps([most_open(*requests, besides=besides), resource.getrlimit(resource.RLIMIT_NOFILE)[0]]))
"""


def open_within(limit: int, requests: list[int], besides: int = 0) -> tuple[list[int], int]:
    """What the listeners of a process with such a limit may have open, and the files it may have by then."""
    command = [sys.executable, "-c", LIMITED, json.dumps([limit, requests, besides])]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    connections, files = json.loads(told)
    return connections, files


@pytest.mark.parametrize(
    ("limit", "requests", "besides"), [(1024, [512, 64], 0), (4096, [512, 64], 0), (1024, [64], 700)]
)
def test_listeners_share_the_files_that_a_low_limit_leaves(limit: int, requests: list[int], besides: int) -> None:
    connections, files = open_within(limit, requests, besides)

    assert files == limit
    assert sum(connections) + besides + OTHER_FILES <= limit
    assert all(each > OPEN_FOR_EACH for each in connections)
    assert sorted(connections, reverse=True) == connections


def test_where_the_limit_is_high_each_has_all_that_it_wants() -> None:
    connections, _ = open_within(20_000, [512, 64])

    assert connections == [512 * OPEN_FOR_EACH, 64 * OPEN_FOR_EACH]


def test_a_listener_answers_some_however_few_there_are() -> None:
    connections, _ = open_within(300, [64], 700)

    assert connections == [OPEN_FOR_EACH]
