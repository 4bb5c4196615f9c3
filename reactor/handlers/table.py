"""The table of handlers."""

from collections.abc import Awaitable, Callable, Mapping

from reactor.handlers.call import call
from reactor.handlers.context import Context, Handler
from reactor.handlers.emit import emit
from reactor.handlers.notify import notify
from reactor.handlers.perform import perform
from reactor.handlers.run import run
from reactor.handlers.step import give_up, step
from reactor.store.ledger import Row

HANDLERS: Mapping[str, Handler] = {
    "call": call,
    "run": run,
    "notify": notify,
    "emit": emit,
    "perform": perform,
    "step": step,
}
"""Which handler performs which kind of action."""

GIVING_UP: Mapping[str, Callable[[Row, str, Context], Awaitable[None]]] = {
    "step": give_up,
}
"""What else is to be done when a row of such an action is dead, given why."""
