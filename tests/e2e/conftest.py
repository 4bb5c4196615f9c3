"""A machine for each file, and a clean end for each test: what a test started is ended, and its logs told if it failed."""

import signal
from collections.abc import Generator, Iterator

import pytest

from e2e.machine import Machine, machine_in


@pytest.fixture(scope="session", autouse=True)
def processes_hear_ctrl_c() -> Iterator[None]:
    """A shell starts what it runs in the background deaf to Ctrl-C, with all that it starts: then no test of it can pass."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def shared_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine of a file, for fixtures that start what all its tests need."""
    with machine_in(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


@pytest.fixture
def machine(shared_machine: Machine) -> Iterator[Machine]:
    """The machine; processes that a test starts end with it."""
    with shared_machine.ending_what_starts():
        yield shared_machine


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of all processes with a failure."""
    report = yield
    machine = getattr(item, "funcargs", {}).get("machine")
    if report.failed and machine:
        report.sections += [process.last_words() for process in machine.processes]
    return report
