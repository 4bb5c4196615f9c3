"""The APIs and rules of the configuration, for commands that name them: options, look-up by name, completion in the shell.

Writes nothing, calls nothing.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from reactor.apis.client import Api
from reactor.apis.openapi import Operation
from reactor.config import Config, load_config
from reactor.errors import ConfigError, ReactorError
from reactor.settings import Settings, load_settings
from reactor.store.keys import MAIN
from reactor.yaml12 import expected_one_of

config_option = click.option(
    "--config",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The configuration directory. [REACTOR_CONFIG, else ./config]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")


def settings_of(config: Path | None) -> Settings:
    """The settings, with the directory that the command line names. Raises ConfigError."""
    return load_settings(config=config) if config else load_settings()


def directory_of(config: Path | None) -> Path:
    """The configuration directory. Raises ConfigError when it is not there."""
    directory = settings_of(config).config
    if not directory.is_dir():
        raise ConfigError(f"{directory} is no directory: name one, set REACTOR_CONFIG, or run where `config/` is")
    return directory


def loaded(config: Path | None) -> Config:
    """The configuration. Raises ConfigError with everything that is wrong with it."""
    return load_config(settings_of(config).config)


def found(config: Config, name: str) -> tuple[Api, Operation]:
    """The operation that API.OPERATION names. Raises ReactorError with the nearest names."""
    api, _, operation = name.partition(".")
    if api in config.apis and operation in config.apis[api].openapi.operations:
        return config.apis[api], config.apis[api].openapi.operations[operation]
    known = [f"{api.name}.{operation}" for api in config.apis.values() for operation in api.openapi.operations]
    raise ReactorError(expected_one_of(name, known))


def complete_api(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The APIs whose names begin so."""
    return [name for name in _documents(ctx) if name.startswith(incomplete)]


def complete_rule(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The rules whose names begin so; none of a configuration that can't be read."""
    try:
        rules = loaded(ctx.params.get("config")).rules.rules
    except ConfigError:
        return []
    return [rule.name for rule in rules if rule.name.startswith(incomplete)]


def complete_queue(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The queues whose names begin so; only the main one of a configuration that can't be read."""
    try:
        queues = loaded(ctx.params.get("config")).queues
    except ConfigError:
        queues = {}
    return [name for name in (MAIN, *queues) if name.startswith(incomplete)]


def complete_operation(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The operations whose names begin so; APIs first, as long as none is named."""
    documents = _documents(ctx)
    api, dot, _ = incomplete.partition(".")
    if not dot:
        return [f"{name}." for name in documents if name.startswith(api)]
    names = _operations(documents[api]) if api in documents else []
    return [name for operation in names if (name := f"{api}.{operation}").startswith(incomplete)]


def complete_type(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The event types of the APIs that begin so; none of a configuration that can't be read."""
    try:
        apis = loaded(ctx.params.get("config")).apis.values()
    except ConfigError:
        return []
    known = {name for api in apis for resource in api.provider.resources.values() for name in resource.events}
    known |= {name for api in apis if api.webhooks for name in api.webhooks.webhooks}
    return sorted(name for name in known if name.startswith(incomplete))


def type_option(meaning: str) -> Callable[..., Any]:
    """`--type 'volume.*'`, as `event_type`."""
    return click.option("--type", "event_type", default="", metavar="GLOB", shell_complete=complete_type, help=meaning)


def _documents(ctx: click.Context) -> dict[str, Path]:
    """Where each API's document is by convention: completing is quick, and needs no configuration that is right."""
    directory = Path(ctx.params.get("config") or os.environ.get("REACTOR_CONFIG", "config")) / "apis"
    return {path.stem: path.with_suffix(".openapi.json") for path in sorted(directory.glob("*.yaml"))}


def _operations(document: Path) -> list[str]:
    """The operationIds of a document; none of one that can't be read, for a shell has no place for messages."""
    try:
        paths = orjson.loads(document.read_bytes())["paths"]
        return sorted(operation["operationId"] for item in paths.values() for operation in item.values())
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return []
