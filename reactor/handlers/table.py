"""The table of handlers."""

from collections.abc import Mapping

from reactor.handlers.call import call
from reactor.handlers.context import Handler
from reactor.handlers.run import run
from reactor.handlers.step import step

HANDLERS: Mapping[str, Handler] = {
    "call": call,
    "run": run,
    "step": step,
}
"""Which handler performs which kind of action."""
