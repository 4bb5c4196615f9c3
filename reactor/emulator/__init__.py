"""An emulator of Daytona for development, demos and tests: the REST API for volumes and sandboxes, and its webhooks.

It keeps everything in memory and connects to nothing but the webhook endpoints it is given.

    settings      how an emulator is set up            faults      what goes wrong on purpose, and the dice
    world         volumes, sandboxes, their journeys   background  tasks that outlive their request
    bodies        what the API takes                   views       what it shows: DTOs and webhook payloads
    delivery      Svix: signed deliveries, retries     calls       the log of API calls
    daytona       the operations of the API            admin       looking at it and steering it
    organization  the parts put together               server      the application, and serving it

What is to come has its place: another provider (Runloop) is a module beside `daytona` that `server` mounts; snapshots
are one more resource of `world`, with journeys, views and operations; rate limits belong where `daytona` admits a call.
"""

from reactor.emulator.faults import Faults
from reactor.emulator.server import create_emulator, running, serve
from reactor.emulator.settings import EmulatorSettings, Endpoint

__all__ = ["EmulatorSettings", "Endpoint", "Faults", "create_emulator", "running", "serve"]
