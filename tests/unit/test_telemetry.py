"""Whatever a payload says, a line of the log is one line, and does nothing to a terminal."""

import io
import json
import logging

import pytest
import structlog

from reactor.settings import Settings
from reactor.telemetry import configure_logs

HOSTILE = {
    "line ends": "a\r\n2026-01-01 error forged",
    "an escape sequence": "\x1b[2J\x1b[31m",
    "an escape in one byte": "\x9b31m",
    "line and paragraph separators": "a\u2028b\u2029c",
    "a change of direction": "txt.\u202eexe",
    "a NUL": "\x00",
    "quotes": '", "level": "critical',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("form", ["json", "human"])
def test_a_hostile_text_stays_within_its_line(monkeypatch: pytest.MonkeyPatch, text: str, form: str) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    try:
        configure_logs(Settings(log_format=form))
        structlog.get_logger("reactor.a-test").warning("delivery refused", resource=text, error=text)
    finally:
        structlog.reset_defaults()
        logging.basicConfig(handlers=[logging.NullHandler()], force=True)

    [line] = written.getvalue().split("\n")[:-1]
    assert len(written.getvalue().splitlines()) == 1
    if form == "json":
        assert line.isprintable()
        assert json.loads(line)["resource"] == text
    else:
        assert text not in line or text.isprintable()
