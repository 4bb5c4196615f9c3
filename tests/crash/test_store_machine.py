"""Whoever runs the store's scripts, in whatever order and how often: what must hold holds."""

from pathlib import Path

import pytest
from conftest import binaries
from hypothesis.stateful import run_state_machine_as_test

from crash.store_machine import HISTORY, StoreMachine
from reactor.embedded import EmbeddedServer


@pytest.mark.parametrize("binary", binaries().values(), ids=binaries())
def test_the_store_keeps_its_invariants_in_any_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binary: Path
) -> None:
    monkeypatch.setenv("REACTOR_VALKEY_BIN", str(binary))
    with EmbeddedServer.start(tmp_path / "server", fsync="no") as server:
        StoreMachine.server = server
        run_state_machine_as_test(StoreMachine, settings=HISTORY)
