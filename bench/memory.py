"""What one event costs in Redis: MEMORY USAGE of every key that 10,000 events leave, by kind of key.

    python -m bench.memory

Each event is the change of a volume of its own, as Daytona sends it, and each makes the shipped rule fire: the dearest case.
docs/operations.md quotes the table.
"""

import argparse
import asyncio
import json
import os
import tempfile
from collections import Counter
from pathlib import Path

from reactor.config.loader import load_config
from reactor.dispatch import Dispatcher
from reactor.embedded import EmbeddedServer
from reactor.events import Event
from reactor.queue import JobQueue
from reactor.reload import Live
from reactor.settings import Settings
from reactor.store.store import Store
from reactor.telemetry import configure_logs

EVENTS = 10_000
ORGANIZATION = "11111111-2222-4333-8444-555555555555"


def body(number: int) -> bytes:
    return json.dumps(
        {
            "event": "volume.state.updated",
            "timestamp": "2099-01-01T00:00:00.000Z",
            "id": f"3f0c2b1a-7d5e-4c6b-9a8f-{number:012}",
            "name": f"build-{number}",
            "organizationId": ORGANIZATION,
            "oldState": "creating",
            "newState": "ready",
            "updatedAt": "2026-11-22T05:30:00.000Z",
        }
    ).encode()


async def main() -> None:
    configure_logs(Settings(log_level="error"))
    os.environ.setdefault("DAYTONA_ORGANIZATION_ID", ORGANIZATION)
    config = load_config(Path(__file__).parents[1] / "config")
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedServer.start(Path(directory) / "valkey", fsync="no") as server,
    ):
        settings = Settings(redis_url=server.url)
        store = Store(settings)
        queue = JobQueue(settings.redis_url, settings.instance, store.redis)
        await store.ready()
        await store.log.join()
        empty = (await store.redis.info("memory"))["used_memory"]
        for number in range(0, EVENTS, 500):
            await asyncio.gather(*(append(store, n) for n in range(number, number + 500)))
        dispatcher = Dispatcher(store, queue, Live(config), takeover=5)
        while entries := await store.log.read("bench", block=0.1):
            await dispatcher.react(entries)
        await told(store, empty)
        queue.close()
        await store.close()


async def append(store: Store, number: int) -> None:
    content, id = body(number), f"msg_{number:027}"
    event = Event.from_payload(id=id, source="daytona", organization=ORGANIZATION, body=content)
    await store.log.append(event, content)


async def told(store: Store, empty: int) -> None:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    async for key in store.redis.scan_iter(count=5000):
        words = key.decode().split(":")
        kind = "rq" if words[0] == "rq" else words[1]
        counts[kind] += 1
        sizes[kind] += await store.redis.memory_usage(key, samples=0) or 0
    server = await store.redis.info("server")
    used = (await store.redis.info("memory"))["used_memory"] - empty
    print(f"{EVENTS} events of {len(body(0))} bytes, {'valkey' if 'valkey_version' in server else 'redis'}\n")
    print("| key | keys | bytes for each event |\n|---|---|---|")
    for kind, size in sizes.most_common():
        print(f"| `{kind}` | {counts[kind]} | {size / EVENTS:.0f} |")
    print(f"| all keys | {sum(counts.values())} | {sum(sizes.values()) / EVENTS:.0f} |")
    print(f"| the server's used_memory | | {used / EVENTS:.0f} |")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    asyncio.run(main())
