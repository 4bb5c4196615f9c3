"""What callers send: request bodies and query parameters, and what is wrong with them. Changes nothing.

The complaints are those of Daytona's validators.
"""

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request


class Refused(Exception):
    """The API says no, with this HTTP status, message and headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.message = message
        self.headers = headers or {}
        super().__init__(message)


_COMPLAINTS = {
    "missing": "should not be empty",
    "string_type": "must be a string",
    "int_type": "must be a number",
    "bool_type": "must be a boolean value",
    "dict_type": "must be an object",
    "tuple_type": "must be an array",
}

_B = TypeVar("_B", bound=BaseModel)


def parse(model: type[_B], body: bytes) -> _B:
    """Read a request body; none at all is an empty object. Raises Refused (400) with every complaint, comma-joined."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as invalid:
        complaints = (
            f"{'.'.join(map(str, error['loc']))} {_COMPLAINTS.get(error['type'], error['msg'])}".strip()
            for error in invalid.errors(include_url=False)
        )
        raise Refused(400, ", ".join(complaints)) from invalid


def whole_number(request: Request, name: str, *, default: int, least: int = 1, most: int | None = None) -> int:
    """Read a number from the query. Raises Refused (400) if it is out of bounds."""
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise Refused(400, f"{name} must not be less than {least}")
    if most is not None and int(text) > most:
        raise Refused(400, f"{name} must not be greater than {most}")
    return int(text)
