"""The reconciler: when each API is compared with the state table, by one process at a time, and how far it has been seen.

Owns the rounds, the lease on an API and its watermark. Comparing is `comparison`'s.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import structlog

from reactor.apis.client import ApiClient
from reactor.apis.provider import CLOCKS
from reactor.config.telling import teller_of
from reactor.errors import CallError, StoreUnavailable
from reactor.failpoints import failpoint
from reactor.patience import cancelled, until
from reactor.reconcile.comparison import Comparison, Report, reconciled_apis
from reactor.reload import Live
from reactor.settings import Settings
from reactor.store.reconciles import Mark
from reactor.store.store import Store

SURE = CLOCKS / 1000
"""Seconds, besides what a read may lag behind, between a difference and the read that confirms it."""

UNSEEN = 60_000
"""Milliseconds by which a listing may lack what was just made: the watermark stays so far behind."""

TURN = 5.0
"""Seconds before looking again where somebody else reconciles, or Redis was unable."""

JITTER = (0.8, 1.2)
DONE = 0.7
AGAIN = 10.0
"""An interval is varied by so much; an API that was reconciled this part of one ago is left alone, or so many seconds ago
at the start and after an outage."""

log = structlog.get_logger("reactor.reconcile")


class Reconciler:
    """Reconciles the APIs of a configuration; any number may run, one at a time works on an API."""

    def __init__(self, store: Store, live: Live, client: ApiClient, settings: Settings, *, sure: float = SURE) -> None:
        self._store = store
        self._live = live
        self._client = client
        self._every = settings.reconcile
        self._lease = settings.lease
        self._window = settings.dedup_window
        self._sure = sure
        self._name = f"reconciler-{uuid4().hex[:12]}"

    async def run(self, stopping: asyncio.Event) -> None:
        """Reconcile at the start, again and again, and soon after Redis was unable, until told to stop: then at once.

        What is under way is given up: all that counts is in the log already.
        """
        if self._every:
            await until(stopping, self._forever())

    async def _forever(self) -> None:
        settled = DONE * self._every
        shortest = min(AGAIN, settled)
        while True:
            try:
                busy = await self.round(shortest)
                shortest = shortest if busy else settled
                pause = TURN if busy else self._every * random.uniform(*JITTER)  # noqa: S311  # so that replicas spread
            except StoreUnavailable as error:
                log.warning("reconcile paused", error=str(error))
                pause, shortest = TURN, min(AGAIN, settled)
            await asyncio.sleep(pause)

    async def round(self, settled: float) -> bool:
        """Reconcile every API that was not in the last `settled` seconds; returns whether others do so now.

        Raises StoreUnavailable.
        """
        busy = False
        for name in reconciled_apis(self._live.config):
            mark = await self._store.reconciles.mark(name)
            if await self._store.reconciles.now() - mark.ended >= settled * 1000:
                busy = await self._tried(name) or busy
        return busy

    async def _tried(self, name: str) -> bool:
        """Reconcile an API; True when somebody else does it now. Raises StoreUnavailable."""
        try:
            return await self.reconcile(name) is None
        except StoreUnavailable:
            raise
        except CallError as error:
            log.error("not reconciled", api=name, error=str(error))
        except Exception:  # the boundary: what one API answers must not end the jobs of this process
            log.exception("reconcile faulty", api=name)
        return False

    async def reconcile(self, name: str, *, dry: bool = False) -> Report | None:
        """Compare an API with the table, and make the missing events; `dry` only looks, and asks nothing twice.

        None when somebody else does it now. Raises CallError, StoreUnavailable.
        """
        if dry:
            comparison, _ = await self._comparison(name, await self._store.reconciles.now())
            return await comparison.look()
        async with self._holding(name) as held:
            return await self._reconciled(name) if held else None

    async def _reconciled(self, name: str) -> Report:
        """Compare an API, and remember how far it was seen.

        By the server's clock: by one that is fast, what is made in the next minute would pass for seen, and tell nothing.
        """
        began = await self._store.reconciles.now()
        comparison, mark = await self._comparison(name, began)
        report = await comparison.compare()
        await self._keep(comparison, report, mark, began)
        return report

    @asynccontextmanager
    async def _holding(self, api: str) -> AsyncIterator[bool]:
        """Be the only one who reconciles an API. Should the lease be lost, two do: that costs calls, and nothing else."""
        if not await self._store.reconciles.hold(api, self._name):
            yield False
            return
        prolonging = asyncio.create_task(self._prolong(api))
        try:
            yield True
        finally:
            await cancelled([prolonging])
            await self._let_go(api)

    async def _let_go(self, api: str) -> None:
        """Let others reconcile an API, also after a round that failed; should Redis be unable, the lease ends by itself."""
        try:
            await self._store.reconciles.release(api, self._name)
        except StoreUnavailable as error:
            log.warning("reconcile not released", api=api, error=str(error))

    async def _prolong(self, api: str) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._store.reconciles.hold(api, self._name)
            except StoreUnavailable as error:
                log.warning("reconcile not prolonged", api=api, error=str(error))

    async def _comparison(self, name: str, began: int) -> tuple[Comparison, Mark]:
        """The comparison of an API that begins now (ms), and how far it was seen before."""
        config, mark = self._live.config, await self._store.reconciles.mark(name)
        watermark = mark.watermark
        if watermark is not None and watermark < began - self._window * 1000:
            watermark = None  # events of so long ago are late: an old backup, or a very long outage
        teller = teller_of(config, config.apis[name], "reconcile")
        return Comparison(self._store, self._client, config, teller, watermark, sure=self._sure), mark

    async def _keep(self, comparison: Comparison, report: Report, before: Mark, began: int) -> None:
        teller = comparison.teller
        lag = max((resource.staleness for resource in teller.api.provider.resources.values()), default=0.0)
        upto = began - UNSEEN - int(lag * 1000)
        if report.upto is not None:
            upto = min(upto, report.upto)
        report.silent = await self._is_silent(teller.source, report)
        ended = await self._store.reconciles.now()
        mark = Mark(upto, ended, before.told + report.told, report.silent)
        if not await self._store.reconciles.keep(report.api, before, mark):
            log.warning(
                "reconcile not kept", api=report.api, error="what it was made from is gone: the next one begins anew"
            )
            return
        failpoint("reconcile.after_keep")
        log.info(
            "reconciled",
            api=report.api,
            baseline=report.baseline,
            resources=report.resources,
            filled=report.filled,
            told=report.told,
            seconds=round((ended - began) / 1000, 3),
        )

    async def _is_silent(self, source: str, report: Report) -> bool:
        """Whether nobody has announced what moved, for longer than two rounds."""
        if not report.told or source not in self._live.config.source_entries:
            return False
        heard = await self._store.reconciles.heard(source)
        silence = time.time() - (heard or 0) / 1000
        if silence <= 2 * self._every:
            return False
        log.error(
            "webhooks silent",
            source=source,
            api=report.api,
            missed=report.told,
            last=heard,
            error="resources change and no webhook comes: look at the endpoint's deliveries at the provider",
        )
        return True
