"""Who is let in by a listener: so many at once, the others are told to come again; and what is said while it ends."""

import asyncio

import httpx2
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from reactor.cli.listener import Admission


class App:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered.release()
        await self.go.wait()
        await PlainTextResponse(Request(scope).url.path)(scope, receive, send)


def client(admission: Admission) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(admission), base_url="http://reactor")


async def test_who_is_one_too_many_is_told_to_come_again_and_is_let_in_then() -> None:
    app, refused = App(), list[None]()
    async with client(Admission(app, 2, lambda: refused.append(None))) as http, asyncio.timeout(10):
        under_way = [asyncio.create_task(http.get("/")) for _ in range(2)]
        for _ in under_way:
            await app.entered.acquire()

        third = await http.get("/")
        app.go.set()
        answers = [await each for each in under_way]
        again = await http.get("/")

    assert (third.status_code, third.json()["reason"], third.headers["retry-after"]) == (503, "too_many", "5")
    assert [answer.status_code for answer in (*answers, again)] == [200, 200, 200]
    assert len(refused) == 1


async def test_an_app_that_fails_leaves_its_place() -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("as it must")

    admission = Admission(fails, 1, lambda: None)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(admission, raise_app_exceptions=False), base_url="http://reactor"
    ) as http:
        assert [(await http.get("/")).status_code for _ in range(2)] == [500, 500]


async def test_while_it_ends_every_answer_asks_for_the_connection_to_be_used_no_more() -> None:
    app = App()
    app.go.set()
    admission = Admission(app, 1, lambda: None)
    async with client(admission) as http:
        before = await http.get("/")
        admission.ending = True
        after = await http.get("/")

    assert "connection" not in before.headers
    assert after.headers["connection"] == "close"
