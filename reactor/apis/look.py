"""Reads one resource by its id, as the provider file says."""

import time

from reactor.apis.client import Api, ApiClient
from reactor.apis.sightings import Read
from reactor.errors import PermanentError

GONE = 404


async def read_resource(client: ApiClient, api: Api, kind: str, resource_id: str) -> Read:
    """What the API shows of a resource now, or that it has none of this id. Raises CallError."""
    resource = api.provider.resources[kind]
    operation = api.openapi.operation(resource.read)
    in_path = [parameter.name for parameter in operation.parameters if parameter.where == "path"]
    by = resource.by or (in_path[0] if len(in_path) == 1 else "")
    if not by:
        raise PermanentError(f"{resource.read} does not say by which parameter a {kind} is read: declare `by`")
    at = int(time.time() * 1000)
    reply = await client.call(api, resource.read, {by: resource_id}, absent_ok=True)
    if reply.status == GONE:
        return Read(kind, resource_id, at, None)
    if not isinstance(reply.data, dict):
        raise PermanentError(f"{resource.read} answered {reply.status} without a resource", status=reply.status)
    return Read(kind, resource_id, at, reply.data)
