"""Previews: the URLs of a sandbox's ports, and the questions that Daytona's proxy asks before it lets a visitor through."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from reactor.emulator.api import Operation
from reactor.emulator.bodies import Refused, whole_number
from reactor.emulator.daytona.resources import Sandbox

DOMAIN = "preview.daytona.example"
"""Nothing answers there: the emulator makes preview URLs and serves none."""

SIGNED_FOR = 60
LONGEST = 86_400


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signed token opens: one port of one sandbox, until a monotonic time."""

    sandbox_id: str
    port: int
    until: float


class Preview:
    """The preview tokens of sandboxes. `find` gives a sandbox by id or name, or raises Refused."""

    def __init__(self, find: Callable[[str], Sandbox]) -> None:
        self._find = find
        self._tokens: dict[str, str] = {}
        self._signed: dict[str, Signed] = {}

    def clear(self) -> None:
        """Forget every token."""
        self._tokens.clear()
        self._signed.clear()

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on previews."""
        port = "/sandbox/{id}/ports/{port:int}"
        return (
            Operation("GET", f"{port}/preview-url", "getPortPreviewUrl", self.get_url),
            Operation("GET", f"{port}/signed-preview-url", "getSignedPortPreviewUrl", self.sign_url),
            Operation(
                "POST", f"{port}/signed-preview-url/{{token}}/expire", "expireSignedPortPreviewUrl", self.expire_url
            ),
            Operation("GET", "/preview/{id}/public", "isSandboxPublic", self.is_public),
            Operation("GET", "/preview/{id}/validate/{token}", "isValidAuthToken", self.is_valid),
            Operation("GET", "/preview/{id}/access", "hasSandboxAccess", self.has_access),
            Operation(
                "GET",
                "/preview/{token}/{port:int}/sandbox-id",
                "getSandboxIdFromSignedPreviewUrlToken",
                self.get_sandbox_id,
            ),
        )

    async def get_url(self, request: Request) -> object:
        """Show the URL of a port, and the token that opens it."""
        sandbox, port = self._asked_for(request), request.path_params["port"]
        token = self._tokens.setdefault(sandbox.id, secrets.token_hex(8))
        return {"sandboxId": sandbox.id, "url": f"https://{port}-{sandbox.id}.{DOMAIN}", "token": token}

    async def sign_url(self, request: Request) -> object:
        """Make a URL that opens a port to whoever has it, for `expiresInSeconds`."""
        sandbox, port = self._asked_for(request), request.path_params["port"]
        seconds = whole_number(request, "expiresInSeconds", default=SIGNED_FOR, most=LONGEST)
        token = secrets.token_hex(8)
        self._signed[token] = Signed(sandbox.id, port, time.monotonic() + seconds)
        return {"sandboxId": sandbox.id, "port": port, "token": token, "url": f"https://{port}-{token}.{DOMAIN}"}

    async def expire_url(self, request: Request) -> None:
        """Take a signed URL back; the answer is empty."""
        self._asked_for(request)
        self._signed.pop(request.path_params["token"], None)

    async def is_public(self, request: Request) -> object:
        """Tell whether the previews of a sandbox need no token."""
        return self._asked_for(request).spec.public

    async def is_valid(self, request: Request) -> object:
        """Tell whether a token opens a sandbox."""
        sandbox = self._asked_for(request)
        return self._tokens.get(sandbox.id) == request.path_params["token"]

    async def has_access(self, request: Request) -> object:
        """Tell that the owner of the key may see a sandbox; one that is not there is refused."""
        self._asked_for(request)
        return True

    async def get_sandbox_id(self, request: Request) -> object:
        """Tell which sandbox a signed token opens."""
        signed = self._signed.get(request.path_params["token"])
        if signed is None or signed.port != request.path_params["port"] or signed.until <= time.monotonic():
            raise Refused(404, "Invalid or expired token")
        return signed.sandbox_id

    def _asked_for(self, request: Request) -> Sandbox:
        return self._find(request.path_params["id"])
