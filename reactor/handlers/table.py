"""The table of handlers."""

from collections.abc import Mapping

from reactor.handlers.call import call
from reactor.handlers.context import Handler

HANDLERS: Mapping[str, Handler] = {
    "call": call,
}
"""Which handler performs which kind of action."""
