"""JSON Schemas of the files that ops teams write, for editors: from the models that read them, and what is configured.

Owns what an editor offers and shows. What is right is the loader's to say: it knows more than a schema can.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from reactor.apis.provider import Provider
from reactor.checks.event_fields import EventFields
from reactor.config.model import Config, QueuesFile, SecretsFile, SourcesFile, TargetsFile
from reactor.config.policy import PolicyFile
from reactor.rules.examples import ExampleFile
from reactor.rules.match import OR
from reactor.rules.model import RuleFile
from reactor.store.keys import MAIN

FILES: Final[Mapping[str, tuple[type[BaseModel], str]]] = {
    "rules": (RuleFile, "Which event makes the reactor do what: config/rules/*.yaml"),
    "tests": (ExampleFile, "What rules must do with which events: config/rules/*.test.yaml"),
    "sources": (SourcesFile, "Who may send webhooks: config/sources.yaml"),
    "secrets": (SecretsFile, "Where secrets are: config/secrets.yaml"),
    "targets": (TargetsFile, "Where people are told things: config/targets.yaml"),
    "queues": (QueuesFile, "Queues with workers of their own: config/queues.yaml"),
    "apis": (Provider, "What an API's OpenAPI document does not say: config/apis/*.yaml"),
    "policy": (PolicyFile, "What files of rules may do: config/policy.yaml"),
}
"""Each kind of file: its model, and what it is."""

PATTERN: Final = {
    "description": "A value, a list of values, or one operator with its value.",
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Pattern"}},
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                "prefix": {"type": "string", "minLength": 1, "description": "The text begins so."},
                "suffix": {"type": "string", "minLength": 1, "description": "The text ends so."},
                "equals-ignore-case": {"type": "string", "minLength": 1, "description": "The text, in any case."},
                "anything-but": {
                    "$ref": "#/$defs/Pattern",
                    "description": "The field is there, and is none of these.",
                },
                "exists": {"type": "boolean", "description": "Whether the field is there."},
                "numeric": {
                    "type": "array",
                    "minItems": 2,
                    "description": 'Comparisons and numbers in turn: [">", 0, "<=", 5].',
                },
            },
        },
    ],
}
"""What stands in a `match` after a field's name."""


def file_schema(kind: str, config: Config | None = None) -> dict[str, Any]:
    """The schema of one kind of file. With a configuration, its operations, events and documents are offered."""
    model, title = FILES[kind]
    schema = _plain(model.model_json_schema(by_alias=True))
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema, "title": title}
    if kind == "rules":
        _match(schema["$defs"], config)
    if config:
        _offer(schema["$defs"], OFFERED.get(kind, {}), config)
    _headed(schema)
    return schema


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A model's schema without what an editor would write into a file, or show, though nobody means it.

    Null and defaults stand for a field that is left out, and need not be written; titles are Python's names.
    """
    said = {name: value for name, value in schema.items() if name not in ("title", "default")}
    for name in ("properties", "$defs"):
        if name in said:
            said[name] = {key: _plain(value) for key, value in said[name].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(said.get(name), dict):
            said[name] = _plain(said[name])
    if "anyOf" in said:
        forms = [_plain(form) for form in said.pop("anyOf") if form != {"type": "null"}]
        said = {**forms[0], **said} if len(forms) == 1 else {**said, "anyOf": forms}
    return said


def _headed(schema: Mapping[str, Any]) -> None:
    """Each field has its own name as its title, which editors show above what they say of it."""
    for definition in (schema, *schema.get("$defs", {}).values()):
        for name, field in definition.get("properties", {}).items():
            field["title"] = name


def _match(definitions: dict[str, Any], config: Config | None) -> None:
    """Say what a model can't: patterns, over the fields that are known here."""
    fields = EventFields(config.apis.values()).types(["*"]) if config else {}
    definitions["Pattern"] = PATTERN
    definitions["Patterns"] = {
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/Pattern"},
        "properties": {
            **{name: _described(f"A field of events: {kind or 'any type'}.") for name, kind in sorted(fields.items())},
            OR: {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/Patterns"}, "description": "One of these."},
        },
    }
    for definition in definitions.values():
        properties = definition.get("properties", {})
        if "match" in properties:
            said = properties["match"].get("description", "")
            properties["match"] = {"$ref": "#/$defs/Patterns", "description": said}


def _events(config: Config) -> list[str]:
    """The types of events that are known here, those that rules emit among them."""
    sent = {name for api in config.apis.values() if api.webhooks for name in api.webhooks.webhooks}
    actions = (action for rule in config.rules.rules for action in rule.actions)
    return sorted(sent | {action.subject for action in actions if action.kind.name == "emit"})


def _operations(config: Config) -> list[str]:
    return sorted(f"{api.name}.{name}" for api in config.apis.values() for name in api.openapi.operations)


OFFERED: Final[Mapping[str, Mapping[str, Callable[[Config], Iterable[str]]]]] = {
    "rules": {
        "on": _events,
        "call": _operations,
        "run": lambda config: sorted(config.workflows),
        "notify": lambda config: sorted(config.targets),
        "perform": lambda config: sorted(config.handlers),
        "queue": lambda config: [MAIN, *sorted(config.queues)],
    },
    "tests": {"event": _events},
}
"""The names that an editor offers in the fields of a kind of file."""


def _offer(
    definitions: Mapping[str, Any], offered: Mapping[str, Callable[[Config], Iterable[str]]], config: Config
) -> None:
    for field, names in offered.items():
        if known := list(names(config)):
            for definition in definitions.values():
                _suggest(definition, field, known)


def _described(description: str) -> dict[str, str]:
    return {"$ref": "#/$defs/Pattern", "description": description}


def _suggest(definition: Mapping[str, Any], name: str, known: Iterable[str]) -> None:
    """Offer names without refusing others: globs, and what will be configured tomorrow."""
    field = definition.get("properties", {}).get(name)
    if field is None:
        return
    offered = {"enum": list(known)}
    plain = {
        key: field.pop(key) for key in ("type", "pattern", "minLength", "anyOf", "items", "minItems") if key in field
    }
    field["anyOf"] = [offered, *plain.pop("anyOf", []), *([plain] if plain else [])]
    for member in field["anyOf"]:
        if member.get("type") == "array":
            member["items"] = {"anyOf": [offered, {"type": "string"}]}
