"""Whose events the reads of an API become. Owns nothing but this one answer; no delivery can claim to be such an event."""

from reactor.apis.client import Api
from reactor.apis.sightings import Teller
from reactor.config import Config
from reactor.events import Origin


def teller_of(config: Config, api: Api, origin: Origin) -> Teller:
    """The first source of an API, in whose organization it is called; the API itself where nobody sends webhooks.

    The web process knows sources of `sources.yaml` only, so that nobody can post as an API.
    """
    entries = config.source_entries.items()
    name, entry = next(((name, entry) for name, entry in entries if entry.api == api.name), (api.name, None))
    return Teller(api, name, entry.organization.read() if entry else "", origin)
