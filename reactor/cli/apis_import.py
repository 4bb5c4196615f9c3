"""`reactor apis import`: a vendor's OpenAPI document becomes an API that rules can call.

Owns the order (read, compact, validate, compare, ask, write) and the starter of a provider file. No other command loads
this module, nor the validator of documents that it needs.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import click
import orjson
from click.shell_completion import CompletionItem

from reactor.apis.dialect import Json
from reactor.apis.fetch import fetch
from reactor.apis.importer import compact, difference, merged, rendered, under
from reactor.apis.openapi import OpenApi
from reactor.apis.reading import load_document, parse_document
from reactor.apis.validator import validate
from reactor.cli.catalog import json_option, settings_of
from reactor.cli.shown import yes_option
from reactor.errors import ReactorError

NOWHERE = "https://server.invalid"
"""The server of a starter whose document names none: valid, and never reached (RFC 2606)."""


@dataclass(frozen=True)
class Imported:
    """What an import did, or with --dry-run would do; `--json` prints it. Files are null where nothing is written."""

    api: str
    title: str
    version: str
    operations: int
    difference: list[str] = field(default_factory=list)
    document: str | None = None
    provider: str | None = None


def _name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", value):
        raise click.BadParameter(f"found {value!r}, expected small letters, digits and dashes, like billing-eu")
    return value


def _prefix(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if value and not re.fullmatch(r"(/[^/?#\s]+)+", value):
        raise click.BadParameter(f"found {value!r}, expected a path like /toolbox/{{sandboxId}}")
    return value


def _complete_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


@click.command(
    "import",
    short_help="Make an API of an OpenAPI document.",
    epilog="""\b
Examples:
  reactor apis import billing-openapi.yaml --name billing
  reactor apis import https://billing.example.com/openapi.json --name billing --dry-run
  reactor apis import v3.json --also v2.json --name billing       with what only v2 had, as deprecated
  reactor apis import toolbox.json --under '/toolbox/{sandboxId}' --name toolbox
""",
)
@click.argument("source", metavar="FILE|URL", shell_complete=_complete_file)
@click.option("--name", required=True, callback=_name, help="Name of the API, as rules call it: NAME.operationId.")
@click.option(
    "--also", multiple=True, metavar="FILE|URL", shell_complete=_complete_file,
    help="An older document: what only that has is kept, as deprecated. May be repeated, newest first.",
)  # fmt: skip
@click.option("--under", "prefix", default="", metavar="PATH", callback=_prefix, help="What stands before every path.")
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where to write. [REACTOR_CONFIG/apis, else config/apis]",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the difference and write nothing.")
@yes_option
@json_option
def import_(
    source: str,
    name: str,
    also: tuple[str, ...],
    prefix: str,
    into: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Keep what is needed of an OpenAPI 3.0 or 3.1 document (JSON or YAML) to call its operations and check the calls.

    Writes NAME.openapi.json, and a starter of the provider file NAME.yaml where there is none. Importing again shows what
    changed (operations, parameters, enums) and asks before it overwrites; without a terminal, --yes is needed where
    something is removed. Documents are at most 8 MiB and arrive within 30 s.
    """
    settings = settings_of(None)
    sources = (source, *also)
    originals = [_read(place, settings.private) for place in sources]
    document = merged(*map(_checked, originals, sources))
    if prefix:
        document = under(prefix, document)
    files = _Files(name, into or settings.config / "apis")
    changes = files.changes(document)
    if changes is not None and not as_json:
        click.echo("\n".join(changes or ["no difference"]))
    done = _done(name, OpenApi.parse(document), changes)
    if not dry_run:
        if changes and not yes:
            _ask(files.document, changes)
        started = files.write(document, _starter(name, originals[0], document, source))
        done = replace(done, document=str(files.document), provider=str(files.provider) if started else None)
    click.echo(orjson.dumps(asdict(done)) if as_json else "\n".join(_told(done)))


def _done(name: str, index: OpenApi, changes: list[str] | None) -> Imported:
    return Imported(name, index.title, index.version, len(index.operations), changes or [])


def _told(done: Imported) -> list[str]:
    count = f"{done.operations} operation{'s' if done.operations != 1 else ''}"
    lines = [f"{done.document or 'nothing written'}: {done.title} {done.version}, {count}"]
    if done.provider:
        lines.append(f"{done.provider}: a starter; see to its server and its key")
    return [*lines, f"Next: reactor apis ls {done.api}"] if done.document else lines


# --- reading and checking ---------------------------------------------------------------------------------------------


def _read(place: str, private: Sequence[str]) -> Json:
    if place.startswith(("http://", "https://")):
        return parse_document(asyncio.run(fetch(place, private=private)), place)
    return load_document(Path(place))


def _checked(original: Json, place: str) -> Json:
    """The compact form of a valid document. Raises ReactorError with what is wrong with it.

    Compacting comes first: its messages say what to do about Swagger 2, and about references out of the document.
    """
    try:
        document = compact(original)
    except ReactorError as error:
        raise ReactorError(f"{place}: {error}") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        validate(original, place)  # it is built otherwise than OpenAPI: this finds the words
        raise ReactorError(f"{place}: found no OpenAPI document that can be read: {error!r}") from error
    validate(original, place)
    return document


# --- writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Files:
    """The two files of an API."""

    name: str
    directory: Path

    @property
    def document(self) -> Path:
        """The compact document."""
        return self.directory / f"{self.name}.openapi.json"

    @property
    def provider(self) -> Path:
        """The provider file, which belongs to its author once it is there."""
        return self.directory / f"{self.name}.yaml"

    def changes(self, document: Json) -> list[str] | None:
        """What would change in the document that is there; None when none is. Raises ReactorError."""
        try:
            return difference(orjson.loads(self.document.read_bytes()), document)
        except FileNotFoundError:
            return None
        except (OSError, orjson.JSONDecodeError, AttributeError, LookupError, TypeError) as error:
            raise ReactorError(f"{self.document}: found no document to compare with ({error}); move it away") from error

    def write(self, document: Json, starter: str) -> bool:
        """Write the document, and the starter where there is no provider file; returns whether it wrote that."""
        starts = not self.provider.exists()
        _write(self.document, rendered(document))
        if starts:
            _write(self.provider, starter)
        return starts


def _ask(target: Path, changes: Sequence[str]) -> None:
    """Go on only where somebody agrees, or nothing that a rule may use is lost."""
    if sys.stdin.isatty():
        click.confirm(f"Overwrite {target}?", abort=True, err=True)
    elif removed := sum(change.startswith("removed: ") for change in changes):
        raise ReactorError(f"{target}: this removes {removed} things that rules may use; without a terminal, say --yes")


def _write(target: Path, text: str) -> None:
    """Put a whole file in its place at once: a reactor that reads it meanwhile sees the old or the new one."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, "utf-8")
        temporary.replace(target)
    except OSError as error:
        raise ReactorError(f"{target}: can't be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # where there is none, nothing was left
            temporary.unlink()


# --- the starter ------------------------------------------------------------------------------------------------------


def _starter(name: str, original: Json, document: Json, source: str) -> str:
    """A provider file that loads as it is; the key waits until its secret is declared."""
    server = _server(original, source)
    variable = re.sub(r"\W", "_", name).upper()
    missing = "   # the document names none: put it here" if server == NOWHERE else ""
    host = urlsplit(server).hostname
    lines = [
        f"# {name}: what its OpenAPI document does not say. docs/apis.md has everything that may stand here.",
        f"openapi: {name}.openapi.json",
        f"server: {{url: {json.dumps(server)}, env: {variable}_URL}}{missing}",
    ]
    if schemes := document.get("components", {}).get("securitySchemes", {}):
        lines += [
            "",
            f"# It asks for {', '.join(sorted({_scheme(scheme) for scheme in schemes.values()}))}; a bearer token can be sent.",
            "# Declare where the token is in secrets.yaml, under `secrets:`",
            f"#   {variable}_KEY: {{env: {variable}_KEY, hosts: [{json.dumps(host)}]}}",
            "# and then say here",
            f"# auth: {{bearer: {variable}_KEY}}",
        ]
    return "\n".join(lines) + "\n"


def _server(original: Json, source: str) -> str:
    """The first server that the document names, its variables with their defaults, relative to where it came from."""
    servers = original.get("servers") or [{}]
    url = str(servers[0].get("url", ""))
    for variable, values in servers[0].get("variables", {}).items():
        url = url.replace(f"{{{variable}}}", str(values.get("default", "")))
    url = urljoin(source, url) if source.startswith(("http://", "https://")) and url else url
    return url.rstrip("/") if re.fullmatch(r"https?://[^\s/{}]+(/[^\s{}]*)?", url) else NOWHERE


def _scheme(scheme: Json) -> str:
    words = (scheme.get("type"), scheme.get("scheme"), scheme.get("in"), scheme.get("name"))
    return " ".join(re.sub(r"[^\w-]", "", str(word)) for word in words if word)
