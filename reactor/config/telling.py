"""Who tells of an API's resources, who asks for it, and whose events the reads of an API become. Pure.

Owns these three answers, as a configuration gives them. No delivery can claim to be an event that a read became.
"""

from reactor.apis.client import Api
from reactor.apis.sightings import Teller
from reactor.config.model import Config
from reactor.events import Origin


def teller_of(config: Config, api: Api, origin: Origin) -> Teller:
    """The first source of an API, in whose organization it is called; the API itself where nobody sends webhooks.

    The web process knows sources of `sources.yaml` only, so that nobody can post as an API.
    """
    entries = config.source_entries.items()
    name, entry = next(((name, entry) for name, entry in entries if entry.api == api.name), (api.name, None))
    return Teller(api, name, entry.organization.read() if entry else "", origin)


def sends_webhooks(config: Config, api: str) -> bool:
    """Whether a source tells of an API."""
    return any(entry.api == api for entry in config.source_entries.values())


def is_asked_for(config: Config, api: Api, kind: str) -> bool:
    """Whether a rule asks for events of a kind."""
    return any(config.rules.asking_for(event) for event in api.provider.resources[kind].events)
