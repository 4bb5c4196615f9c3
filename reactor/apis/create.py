"""Find-or-create: makes a resource once, whatever is lost on the way.

Owns the order of looking, locking and asking, and the proof that what is found is ours: by our label where the API takes
labels (then names need not be unique), else because we held the lock on its name, had seen it absent, and it was made
after that. The row that asks is
behind the `Claim`; this module knows no store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from reactor.apis.client import Api, ApiClient
from reactor.apis.listing import listed
from reactor.apis.policy import Reply, http_date
from reactor.apis.provider import Create, Listing, Resource, look, put
from reactor.errors import CallError, PermanentError, TemporaryError, UnknownOutcome
from reactor.failpoints import failpoint


class Claim(Protocol):
    """What find-or-create needs of the job it works for."""

    @property
    def label(self) -> tuple[str, str]:
        """The label that marks a resource as made by this job."""

    async def lock(self, name: str) -> datetime | None:
        """Be the only one who creates `name`; returns when it was seen absent while the lock lasted. Raises CallError."""

    async def note_absent(self, at: datetime) -> None:
        """Remember, before anything is asked for, that nothing of this name was there. Raises CallError."""

    async def spend(self) -> None:
        """Take one create from the budget of the API. Raises GateClosed when nothing is left of it."""


@dataclass(frozen=True, slots=True)
class Created:
    """How a resource came to be: `created` now, `adopted` from an earlier attempt, `used` though not ours.

    `reply` is the API's; of what was found, the one that the API's document promises for the create.
    """

    how: str
    reply: Reply

    @property
    def resource(self) -> Any:
        """The resource."""
        return self.reply.data


@dataclass(frozen=True)
class Creation:
    """One create that is to happen once."""

    client: ApiClient
    api: Api
    operation: str
    parameters: Mapping[str, Any]
    body: Mapping[str, Any]
    if_exists: str

    @property
    def create(self) -> Create:
        """What the provider file says of the operation."""
        return self.api.provider.creates[self.operation]

    @property
    def resource(self) -> Resource:
        """What the provider file says of the kind of resource."""
        return self.api.provider.resources[self.create.resource]

    @property
    def name(self) -> str:
        """The name in the request."""
        return str(look(self.create.name, self.body))

    async def run(self, claim: Claim) -> Created:
        """Find or create. Raises CallError."""
        key = self.name if self.resource.find else claim.label[1]
        absent_at = await claim.lock(f"create:{self.api.name}:{self.create.resource}:{key}")
        found, looked_at = await self._find(claim)
        if found is not None:
            return self._judge(found, claim, absent_at)
        failpoint("worker.after_look")
        await claim.spend()
        absent_at = absent_at or looked_at
        await claim.note_absent(absent_at)  # the last thing before the call: it says that the row is still ours
        try:
            reply = await self.client.call(self.api, self.operation, self.parameters, self._labelled(claim))
            if not isinstance(reply.data, Mapping):
                raise UnknownOutcome(
                    f"{self.operation} answered {reply.status} without a resource", status=reply.status
                )
        except CallError as error:
            return await self._after(error, claim, absent_at)
        failpoint("worker.after_call")
        return self._sound(Created("created", reply))

    async def _after(self, error: CallError, claim: Claim, absent_at: datetime) -> Created:
        """No 2xx came: unless the API refused the request as such, look whether it acted all the same."""
        taken = any(answer.recognises(error.status, str(error)) for answer in self.create.exists)
        if isinstance(error, PermanentError) and not taken:
            raise error
        if isinstance(error, TemporaryError | UnknownOutcome) or taken:
            found, _ = await self._find(claim)
            if found is not None:
                return self._judge(found, claim, absent_at)
        if isinstance(error, UnknownOutcome) or taken:
            # The next attempt looks again: nothing is created twice under a name that is unique.
            raise TemporaryError(f"{error}; no {self.create.resource} {self.name!r} is there yet", status=error.status)
        raise error

    async def _find(self, claim: Claim) -> tuple[Any, datetime]:
        """Look for the resource by name, or by label where names are not unique; also when, by the API's clock."""
        if self.resource.listing and not self.resource.find:
            return await self._find_labelled(claim, self.resource.listing), datetime.now(UTC)
        [(operation, paths)] = self.resource.find.items()
        parameters = {parameter: look(path, {"name": self.name}) for parameter, path in paths.items()}
        reply = await self.client.call(self.api, operation, parameters, absent_ok=True)
        if reply.status != 404 and not isinstance(reply.data, Mapping):
            raise PermanentError(f"{operation} answered {reply.status} without a resource", status=reply.status)
        return (None if reply.status == 404 else reply.data), _date(reply)

    async def _find_labelled(self, claim: Claim, listing: Listing) -> Any:
        async for item in listed(self.client, self.api, listing):
            if self._ours(item, claim, None):
                return item
        return None

    def _labelled(self, claim: Claim) -> Mapping[str, Any]:
        if self.create.labels is None:
            return self.body
        key, value = claim.label
        return put(f"{self.create.labels}.{key}", self.body, value)

    def _judge(self, found: Any, claim: Claim, absent_at: datetime | None) -> Created:
        """Adopt what is ours; of what is not, do as the rule says."""
        if self._ours(found, claim, absent_at):
            return self._sound(Created("adopted", self._promised(found)))
        if self.if_exists == "use":
            return Created("used", self._promised(found))
        raise PermanentError(
            f"a {self.create.resource} named {self.name!r} exists and was not made by this job "
            f"(id {look(self.resource.id, found)}); choose another name, or say `if_exists: use`"
        )

    def _promised(self, found: Any) -> Reply:
        """What the create would have answered, whose reply was lost: as far as the API's document says."""
        statuses = self.api.openapi.operation(self.operation).responses
        good = sorted(int(status) for status in statuses if status.startswith("2") and status.isdecimal())
        return Reply(good[0] if good else 200, {"content-type": "application/json"}, found)

    def _ours(self, found: Any, claim: Claim, absent_at: datetime | None) -> bool:
        if self.create.labels is not None and self.resource.labels is not None:
            key, value = claim.label
            return bool(look(f"{self.resource.labels}.{key}", found) == value)
        made = _parse(look(self.resource.created, found)) if self.resource.created else None
        return absent_at is not None and made is not None and made >= absent_at.replace(microsecond=0)

    def _sound(self, created: Created) -> Created:
        """Refuse a resource that came to be in a failed state: making another would not help."""
        state = look(self.resource.state, created.resource)
        if state in self.resource.failed:
            why = look(self.resource.error, created.resource) if self.resource.error else None
            raise PermanentError(
                f"the {self.create.resource} {self.name!r} is {state}: {why or 'the API does not say why'}"
            )
        return created


def _date(reply: Reply) -> datetime:
    return http_date(reply.headers.get("date", "")) or datetime.now(UTC)


def _parse(text: Any) -> datetime | None:
    """A time with a zone; anything else dates nothing."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at if at and at.tzinfo else None
