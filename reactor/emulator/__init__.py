"""An emulator of Daytona and Runloop for development, demos and tests: their REST APIs, and Daytona's webhooks.

It keeps everything in memory and connects to nothing but the webhook endpoints it is given.

    settings      how an emulator is set up            faults      what goes wrong on purpose, and the dice
    pace          how long things last                 background  tasks that outlive their request
    api           the door of an API                   bodies      what callers send, and refusals
    limits        rate limits                          calls       the log of API calls
    delivery      Svix: signed deliveries, retries     commands    the shell of emulated machines
    daytona       volumes, snapshots, sandboxes        runloop     devboxes
    organization  the parts put together               server      the application, and serving it
    admin         looking at it and steering it        client      asking a running one
"""

from reactor.emulator.faults import Faults
from reactor.emulator.limits import Limit
from reactor.emulator.server import create_emulator, running, serve
from reactor.emulator.settings import EmulatorSettings, Endpoint

__all__ = ["EmulatorSettings", "Endpoint", "Faults", "Limit", "create_emulator", "running", "serve"]
