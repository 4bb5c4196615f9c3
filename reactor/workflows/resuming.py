"""Takes up a run that failed or was cancelled at the step where it ended. Pure."""

from dataclasses import replace

from reactor.workflows.program import Program
from reactor.workflows.run import Run
from reactor.workflows.stepping import Moment


def resumed(program: Program, run: Run, *, generation: int, at: float) -> Run:
    """The run at its last step again, with fresh attempts; what its other steps made stands.

    A workflow within it that failed begins again, for the run is where it called that one.
    """
    frames = tuple(replace(frame, spent={}) for frame in run.frames)
    finished = {name: done for name, done in run.finished.items() if done["status"] == "succeeded"}
    run = replace(
        run,
        frames=frames,
        finished=finished,
        generation=generation,
        steps=0,
        status="running",
        because="",
        not_before=0.0,
        waiting=None,
        outputs={},
    )
    moment = Moment(program, at)
    return moment.go(run, run.top.step) if run.top.step else moment.begin(run)
