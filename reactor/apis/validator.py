"""Holds a vendor's document against what OpenAPI itself says, by the maintained validator. Fetches nothing.

Loading the validator takes a quarter of a second: only what imports documents imports this.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from referencing.exceptions import Unresolvable

from reactor.apis.dialect import Json
from reactor.errors import ReactorError

MOST_ERRORS = 20
LONGEST_ERROR = 200


def validate(original: Json, place: str) -> None:
    """Pass a valid OpenAPI 3.0 or 3.1 document; `place` names it in messages.

    Raises ReactorError with the first errors, each with its place in the document, and their number.
    """
    if errors := _errors(original):
        shown = [f"  {line}" for line in errors[:MOST_ERRORS]]
        rest = [f"  … and {len(errors) - MOST_ERRORS} more"] if len(errors) > MOST_ERRORS else []
        count = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
        raise ReactorError("\n".join([f"{place}: found {count}, expected valid OpenAPI:", *shown, *rest]))


def _errors(original: Json) -> list[str]:
    validator = _Valid30 if str(original["openapi"]).startswith("3.0") else _Valid31
    errors: list[str] = []
    try:
        errors += (_line(error) for error in validator(original).iter_errors())
    except Unresolvable as error:
        errors.append(f"found the reference {error.ref}, expected one within the document")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        errors.append(f"found something that can't be checked: {error!r}"[:LONGEST_ERROR])
    return errors


def _line(error: OpenAPIValidationError) -> str:
    """One error on one line: where, and what; values that it quotes may be long."""
    place = " > ".join(map(str, error.absolute_path))
    said = " ".join(error.message.partition("\n")[0].split())
    return f"{place or 'document'}: {said if len(said) <= LONGEST_ERROR else said[:LONGEST_ERROR] + '…'}"


class _NothingFetched(dict[str, Any]):
    """The validator's table of how to fetch: it has an entry for every kind of address, which refuses."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __missing__(self, scheme: str) -> Callable[[str], NoReturn]:
        return _refuse


def _refuse(address: str) -> NoReturn:
    raise ReactorError(f"{address} is not in the document, and nothing is fetched")


class _Valid30(OpenAPIV30SpecValidator):
    resolver_handlers = _NothingFetched()


class _Valid31(OpenAPIV31SpecValidator):
    resolver_handlers = _NothingFetched()
