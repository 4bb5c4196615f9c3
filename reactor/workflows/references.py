"""How the parts of a document refer to each other: steps, workflows, dependencies, outputs. Pure checks.

An unknown target is a mistake. A value that can never be there (an undeclared input or output) is a warning: the
specification allows it, and it is null or left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reactor.workflows import model
from reactor.workflows.compiling import Compiler
from reactor.workflows.document import Step, Workflow
from reactor.workflows.expressions import Reference
from reactor.yaml12 import Path, expected_one_of


def in_order(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps as they stand, except that one comes after those it depends on. A cycle is left as it stands."""
    ordered: list[Step] = []
    left = list(steps)
    while left:
        unmet = {step.id for step in left}
        following = next((step for step in left if not unmet.intersection(step.depends_on)), left[0])
        ordered.append(following)
        left.remove(following)
    return tuple(ordered)


def references_of(step: Step) -> Iterator[Reference]:
    """Every expression of a step."""
    for parameter in (*step.parameters, *(p for action in step.actions for p in action.parameters)):
        yield from parameter.value.references()
    for criterion in (*step.criteria, *(c for action in step.actions for c in action.criteria)):
        yield from criterion.references
        yield from [criterion.context] if criterion.context else []
    for template in (*step.outputs.values(), *([step.correlation] if step.correlation else [])):
        yield from template.references()
    if step.body:
        yield from step.body.references()


def sent_by(step: Step) -> Iterator[Reference]:
    """The expressions that a step needs before its call."""
    for parameter in step.parameters:
        yield from parameter.value.references()
    if step.body:
        yield from step.body.references()


def never_before(workflow: Workflow, other_id: str, step: Step) -> bool:
    """Whether a step can't have completed when another one begins: it comes later, and no action leads back."""
    order = [each.id for each in workflow.steps]
    if other_id not in order or order.index(other_id) < order.index(step.id):
        return False
    here, there = order.index(step.id), order.index(other_id)
    later = (action for each in workflow.steps[there:] for action in each.actions)
    return not any(action.step in order and order.index(action.step or "") <= here for action in later)


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks the references of all workflows of a document; what it finds goes to the compiler's lists."""

    compiler: Compiler
    raw: model.ArazzoFile
    workflows: Sequence[Workflow]

    def check(self) -> None:
        """Check everything."""
        for number, workflow in enumerate(self.workflows):
            path: Path = ("workflows", number)
            for name in workflow.depends_on:
                self._known_workflow(name, (*path, "dependsOn"))
            self._check_cycle(workflow, path)
            declared = [step.step_id for step in self.raw.workflows[number].steps]
            for step in workflow.steps:
                self._check_step(workflow, step, (*path, "steps", declared.index(step.id)))
            references = [reference for output in workflow.outputs.values() for reference in output.references()]
            self._check_values(workflow, references, (*path, "outputs"))

    def _check_step(self, workflow: Workflow, step: Step, path: Path) -> None:
        if step.workflow:
            self._known_workflow(step.workflow, (*path, "workflowId"))
        for name in step.depends_on:
            self._known_dependency(workflow, name, (*path, "dependsOn"))
        for action in step.actions:
            if action.workflow:
                self._known_workflow(action.workflow, path)
            if action.step:
                self._known_step(workflow, action.step, path)
        self._check_values(workflow, references_of(step), path)
        for reference in sent_by(step):
            if reference.root == "steps" and never_before(workflow, reference.path[0], step):
                message = f"{reference.text} is of a later step, and nothing comes back here: it is null"
                self.compiler.note_at(path)(message)

    def _check_cycle(self, workflow: Workflow, path: Path) -> None:
        """Ordered steps that still depend on later ones are a cycle."""
        seen: set[str] = set()
        for step in workflow.steps:
            if late := [name for name in step.depends_on if name not in seen and self._is_step(workflow, name)]:
                self.compiler.refuse((*path, "steps"), f"found that {step.id!r} and {late[0]!r} depend on each other")
            seen.add(step.id)

    def _check_values(self, workflow: Workflow, references: Iterable[Reference], path: Path) -> None:
        for reference in references:
            match reference.root:
                case "steps":
                    self._check_output(workflow, reference, path)
                case "workflows":
                    self._known_workflow(reference.path[0], path)
                case "inputs":
                    self._check_input(workflow, reference, path)
                case "sourceDescriptions":
                    self._known(reference.path[0], [source.name for source in self.raw.source_descriptions], path)

    def _check_output(self, workflow: Workflow, reference: Reference, path: Path) -> None:
        step_id = reference.path[0]
        if not self._known_step(workflow, step_id, path) or len(reference.path) < 3:
            return
        outputs = workflow.step(step_id).outputs
        if reference.path[2] not in outputs and ".".join(reference.path[2:]) not in outputs:
            self.compiler.note_at(path)(
                f"{reference.text} is always null: {expected_one_of(reference.path[2], outputs)}"
            )

    def _check_input(self, workflow: Workflow, reference: Reference, path: Path) -> None:
        declared = workflow.inputs.get("properties")
        if isinstance(declared, dict) and not {reference.path[0], ".".join(reference.path)} & set(declared):
            message = f"{reference.text} is no declared input: {expected_one_of(reference.path[0], declared)}"
            self.compiler.note_at(path)(message)

    def _known_dependency(self, workflow: Workflow, name: str, path: Path) -> None:
        """A step of this workflow, or `$workflows.<id>.steps.<id>` of another one."""
        if name.startswith("$sourceDescriptions."):
            self.compiler.refuse(path, f"found {name!r}, expected a step of this document")
        elif name.startswith("$workflows."):
            workflow_id, _, step_id = name.removeprefix("$workflows.").partition(".steps.")
            if self._known_workflow(workflow_id, path):
                other = next(each for each in self.workflows if each.id == workflow_id)
                self._known_step(other, step_id, path)
        else:
            self._known_step(workflow, name, path)

    def _known_workflow(self, name: str, path: Path) -> bool:
        if name.startswith("$sourceDescriptions."):
            self.compiler.refuse(path, f"found {name!r}, expected a workflow of this document: copy it here")
            return False
        return self._known(name, [workflow.id for workflow in self.workflows], path)

    def _known_step(self, workflow: Workflow, name: str, path: Path) -> bool:
        return self._known(name, [step.id for step in workflow.steps], path)

    def _known(self, name: str, names: Sequence[str], path: Path) -> bool:
        if name not in names:
            self.compiler.refuse(path, expected_one_of(name, names))
        return name in names

    def _is_step(self, workflow: Workflow, name: str) -> bool:
        return any(step.id == name for step in workflow.steps)
