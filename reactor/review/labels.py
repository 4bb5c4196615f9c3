"""Calls that replace the labels of a resource, and with them the one by which the reactor knows what it has made."""

from collections.abc import Mapping
from typing import Any

from reactor.apis.client import Api
from reactor.apis.provider import look
from reactor.rules.fault import Fault


def label_fault(api: Api, operation: str, body: Any) -> Fault | None:
    """A call that takes the reactor's own label off a resource of a kind that it labels; a body may be one expression."""
    provider = api.provider
    for kind, resource in provider.resources.items():
        path = resource.replaces_labels.get(operation)
        labelled = any(create.resource == kind and create.labels for create in provider.creates.values())
        if path is None or not labelled or (isinstance(body, Mapping) and look(path, body) is None):
            continue
        message = (
            f"found {operation}, which replaces all labels of a {kind}: also `reactor/<instance>`, by which the reactor "
            f"knows what it has made; say labels where the {kind} is created"
        )
        return Fault(("call",), message, severity="warning")
    return None
