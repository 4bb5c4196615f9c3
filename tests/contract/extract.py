"""Reads what an official Python client sends, from its wheel: `python tests/contract/extract.py WHEEL > client.json`.

Understands the two generators in use (OpenAPI Generator and Stainless) by their syntax trees: nothing of the wheel is run
or installed. The facts are kept beside this file, because the clients of several versions can't be installed together and
would bring twenty packages into every developer's environment.
"""

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any
from zipfile import ZipFile

Fact = dict[str, Any]
Classes = dict[str, ast.ClassDef]


def operations(wheel: str) -> dict[str, Fact]:
    """By method and path: the method's name, the parameters it needs, and the fields its body needs."""
    modules = _modules(wheel)
    classes = {node.name: node for tree in modules for node in tree.body if isinstance(node, ast.ClassDef)}
    resources = [node for name, node in classes.items() if name.endswith(("Api", "Resource")) and name[:5] != "Async"]
    functions = [node for resource in resources for node in resource.body if isinstance(node, ast.FunctionDef)]
    functions.sort(
        key=lambda function: not function.name.startswith("await_")
    )  # the last counts: no loop round another
    facts = {**dict(_generated(functions, classes)), **dict(_stainless(functions, classes))}
    return {place: facts[place] for place in sorted(facts)}


def _modules(wheel: str) -> list[ast.Module]:
    with ZipFile(wheel) as archive:
        names = [PurePosixPath(name) for name in archive.namelist() if name.endswith(".py")]
        kept = [name for name in names if {"api", "models", "resources", "types"} & set(name.parts)]
        return [ast.parse(archive.read(str(name))) for name in kept if name.name != "default_api.py"]


# --- OpenAPI Generator: create_volume(…) beside _create_volume_serialize(…) --------------------------------------------


def _generated(functions: list[ast.FunctionDef], classes: Classes) -> Iterator[tuple[str, Fact]]:
    by_name = {function.name: function for function in functions}
    for name, function in by_name.items():
        if f"_{name}_serialize" in by_name:
            sent = ast.unparse(by_name[f"_{name}_serialize"])
            types, needed = _annotations(function)
            names = re.findall(r"_(?:path|header)_params\['([^']+)'\] = (\w+)", sent)
            names += re.findall(r"_query_params.append\(\('([^']+)', (\w+)", sent)
            needs = sorted({sent_as for sent_as, argument in names if argument in needed})
            body = _needed_fields(types.get(_one(r"_body_params = (\w+)\n", sent)), classes)
            method, path = _one(r"method='(\w+)'", sent), _one(r"resource_path='([^']+)'", sent)
            yield f"{method} {path}", {"name": name, "needs": needs, "body": body}


def _annotations(function: ast.FunctionDef) -> tuple[dict[str, ast.expr], set[str]]:
    """The types of the arguments, and the arguments without a default."""
    arguments = function.args.args
    needed = arguments[: len(arguments) - len(function.args.defaults)]
    return {a.arg: a.annotation for a in arguments if a.annotation}, {a.arg for a in needed if a.annotation}


# --- Stainless: self._post("/v1/devboxes", body=maybe_transform({…}, DevboxCreateParams)) --------------------------------


def _stainless(functions: list[ast.FunctionDef], classes: Classes) -> Iterator[tuple[str, Fact]]:
    for function in functions:
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and (sent := _request(call)):
                parameters = _one(r"maybe_transform\(.*, (?:\w+\.)*(\w+Params)\)", ast.unparse(call).replace("\n", " "))
                in_path = sorted(re.findall(r"{(\w+)}", sent))
                fields = _needed_fields(ast.Name(parameters), classes) if parameters else _waited_with(call)
                body = [field for field in fields if field not in in_path]
                yield sent, {"name": function.name, "needs": in_path, "body": body}


def _waited_with(call: ast.Call) -> list[str]:
    """`wait_for_status` itself writes the body."""
    return ["statuses"] if isinstance(call.func, ast.Name) else []


def _request(call: ast.Call) -> str:
    """Method and path of `self._post(path, …)` and of `wait_for_status(self._post, path, …)`, else nothing."""
    callee, arguments = call.func, call.args
    if isinstance(callee, ast.Name) and callee.id == "wait_for_status":
        callee, *arguments = arguments
    sends = re.fullmatch(r"self\._(get|post|put|patch|delete)(_api_list)?", ast.unparse(callee))
    path = _text(arguments[0]) if sends and arguments else ""
    return f"{sends[1].upper()} {path}" if sends and path.startswith("/v1/") else ""


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Call) and node.args:
        return _text(node.args[0])
    is_text = isinstance(node, ast.Constant | ast.JoinedStr)
    return str(ast.literal_eval(ast.unparse(node).removeprefix("f"))) if is_text else ""


# --- fields ----------------------------------------------------------------------------------------------------------


def _needed_fields(annotation: ast.expr | None, classes: Classes) -> list[str]:
    """The fields without which the body of this type is refused, as they are sent."""
    names = re.findall(r"\w+", ast.unparse(annotation)) if annotation else []
    found = [classes[name] for name in names if name in classes]
    if not found or "List" in names:
        return []
    return sorted(_fields(found[0], classes))


def _fields(model: ast.ClassDef, classes: Classes) -> Iterator[str]:
    typed_dict = bool(model.keywords)  # class DevboxCreateParams(…, total=False)
    for base in model.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _fields(classes[base.id], classes)
    for node in model.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
            written = ast.unparse(node)
            if "Required[" in written if typed_dict else _has_no_default(node.value):
                yield _one(r"alias='([^']+)'", written) or node.target.id


def _has_no_default(value: ast.expr | None) -> bool:
    """`Field(description=…)` gives none, `Field(default=None)` and anything else do."""
    if isinstance(value, ast.Call):
        return not value.args and all(keyword.arg != "default" for keyword in value.keywords)
    return value is None


def _one(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def rendered(client: str, facts: dict[str, Fact]) -> str:
    """One operation a line."""
    lines: Iterable[str] = (f"  {json.dumps(place)}: {json.dumps(fact)}" for place, fact in facts.items())
    return f'{{\n "client": {json.dumps(client)},\n "operations": {{\n' + ",\n".join(lines) + "\n }\n}\n"


if __name__ == "__main__":
    package, version, *_ = PurePosixPath(sys.argv[1]).name.split("-")
    sys.stdout.write(rendered(f"{package} {version}", operations(sys.argv[1])))
