"""Reads Arazzo 1.0.x and 1.1 documents into values: every mistake and every liberty taken, at its place, all at once.

Liberal where documents in use are (each liberty is a warning with the standard form), strict where silence would hurt:
an expression or a condition that can't be understood, an unknown step, workflow or component is an error.

Not taken: anchors and aliases, more than 256 KiB or 20 levels (as everywhere in hand-written YAML), XPath, and
workflows of other Arazzo documents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reactor import yaml12
from reactor.errors import ConfigError, Problem
from reactor.workflows import model
from reactor.workflows.compiling import Compiler, Own, local_workflow
from reactor.workflows.document import Action, Document, Parameter, Source, Step, Workflow
from reactor.workflows.inputs import flattened
from reactor.workflows.references import Checker, in_order
from reactor.yaml12 import Path, expected_one_of


def read_structure(content: str | bytes, file: str) -> tuple[yaml12.Document, model.ArazzoFile]:
    """A document of the shape that the specification's JSON Schema asks for, whatever it means.

    Raises ConfigError with every place where it has another shape.
    """
    yaml = yaml12.load(content, file)
    return yaml, yaml12.validate(yaml, model.ArazzoFile)


def load_document(content: str | bytes, file: str) -> Document:
    """The document in `content`; `file` names it in messages. Raises ConfigError with every problem found."""
    document, problems = read_document(content, file)
    if problems:
        raise ConfigError(*problems)
    return document


def read_document(content: str | bytes, file: str) -> tuple[Document, list[Problem]]:
    """The document in `content`, and every mistake in it: with any it can't run. Raises ConfigError for another shape."""
    loader = _Loader(*read_structure(content, file))
    document = loader.document()
    return document, sorted(set(loader.compiler.problems))


@dataclass(slots=True)
class _Loader:
    """Builds the values of one document that has the right shape."""

    yaml: yaml12.Document
    raw: model.ArazzoFile
    compiler: Compiler = field(init=False)

    def __post_init__(self) -> None:
        self.compiler = Compiler(self.yaml, self.raw.components)

    def document(self) -> Document:
        self._refuse_twice(("sourceDescriptions",), "name", [source.name for source in self.raw.source_descriptions])
        self._refuse_twice(("workflows",), "workflowId", [workflow.workflow_id for workflow in self.raw.workflows])
        workflows = [self._workflow(raw, ("workflows", n)) for n, raw in enumerate(self.raw.workflows)]
        Checker(self.compiler, self.raw, workflows).check()
        return Document(
            file=self.yaml.file,
            title=self.raw.info.title,
            version=self.raw.arazzo,
            sources={
                source.name: Source(source.name, source.url, source.type) for source in self.raw.source_descriptions
            },
            workflows={workflow.id: workflow for workflow in workflows},
            components=self.yaml.data.get("components") or {},
            self_url=self.raw.self_url,
            warnings=tuple(sorted(set(self.compiler.warnings))),
        )

    def _workflow(self, raw: model.Workflow, path: Path) -> Workflow:
        self._refuse_twice((*path, "steps"), "stepId", [step.step_id for step in raw.steps])
        inherited = _Inherited(
            self._given_to_all(raw.parameters, (*path, "parameters")),
            self.compiler.actions(raw.success_actions, (*path, "successActions"), success=True),
            self.compiler.actions(raw.failure_actions, (*path, "failureActions"), success=False),
        )
        steps = [self._step(step, (*path, "steps", n), inherited, raw.workflow_id) for n, step in enumerate(raw.steps)]
        return Workflow(
            id=raw.workflow_id,
            place=self.yaml.values[path],
            steps=in_order(steps),
            inputs=self._inputs(raw.inputs, (*path, "inputs")),
            depends_on=tuple(map(local_workflow, raw.depends_on)),
            outputs=self.compiler.outputs(raw.outputs, (*path, "outputs")),
            summary=raw.summary or raw.description,
        )

    def _step(self, raw: model.Step, path: Path, inherited: "_Inherited", workflow_id: str) -> Step:
        compiler = self.compiler
        parameters = compiler.parameters(raw.parameters, (*path, "parameters"))
        if not raw.workflow_id and any(not parameter.where for parameter in parameters):  # of a reusable one
            compiler.refuse((*path, "parameters"), 'found no "in", expected path, query, header or cookie')
        own = Own(raw.step_id, raw.outputs)
        success = compiler.actions(raw.on_success, (*path, "onSuccess"), success=True, own=own)
        failure = compiler.actions(raw.on_failure, (*path, "onFailure"), success=False, own=own)
        return Step(
            id=raw.step_id,
            place=self.yaml.values[path],
            operation=compiler.operation(raw, path, self.raw.source_descriptions),
            workflow=raw.workflow_id and local_workflow(raw.workflow_id),
            mode=raw.action,
            correlation=compiler.template(raw.correlation_id, (*path, "correlationId")) if raw.correlation_id else None,
            timeout=None if raw.timeout is None else raw.timeout / 1000,
            depends_on=tuple(self._step_dependency(text, workflow_id) for text in raw.depends_on),
            parameters=_overriding(inherited.parameters, parameters) if not raw.workflow_id else parameters,
            body=compiler.body(raw.request_body, (*path, "requestBody")),
            criteria=compiler.criteria(raw.success_criteria, (*path, "successCriteria"), own),
            on_success=_own_actions(raw.step_id, inherited.success, success),
            on_failure=_own_actions(raw.step_id, inherited.failure, failure),
            outputs=compiler.outputs(raw.outputs, (*path, "outputs")),
            description=raw.description,
        )

    def _given_to_all(self, raw: Sequence[model.Reusable | model.Parameter], path: Path) -> tuple[Parameter, ...]:
        return tuple(replace(parameter, inherited=True) for parameter in self.compiler.parameters(raw, path))

    def _step_dependency(self, text: str, workflow_id: str) -> str:
        return text.removeprefix(f"$workflows.{workflow_id}.steps.")

    def _inputs(self, schema: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
        """The schema, its references to components put in."""
        known = self.raw.components.inputs

        def resolve(reference: str) -> Mapping[str, Any]:
            name = reference.removeprefix("#/components/inputs/").removeprefix("$components.inputs.")
            if name not in known:
                names = [f"#/components/inputs/{name}" for name in known]
                self.compiler.refuse(path, expected_one_of(reference, names))
            found = known.get(name)
            return found if isinstance(found, dict) else {}

        return flattened(schema, resolve)

    def _refuse_twice(self, path: Path, name_field: str, names: Sequence[str]) -> None:
        for number, name in enumerate(names):
            if name in names[:number]:
                self.compiler.refuse((*path, number, name_field), f"found {name!r} again, expected it once")


@dataclass(frozen=True, slots=True)
class _Inherited:
    """What a workflow gives to all its steps."""

    parameters: tuple[Parameter, ...]
    success: tuple[Action, ...]
    failure: tuple[Action, ...]


def _overriding(inherited: Sequence[Parameter], own: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """A step's own parameters win over inherited ones of the same name and place."""
    return tuple({(parameter.name, parameter.where): parameter for parameter in (*inherited, *own)}.values())


def _own_actions(step_id: str, inherited: Sequence[Action], own: Sequence[Action]) -> tuple[Action, ...]:
    """A step's own actions come first, and win over inherited ones of the same name.

    A retry that names its own step is one that names none: version 1.0's schema asks for a name.
    """
    names = {action.name for action in own}
    actions = (*own, *(action for action in inherited if action.name not in names))
    return tuple(
        replace(action, step=None) if action.kind == "retry" and action.step == step_id else action
        for action in actions
    )
