"""Named points at which a test can stop a process: killed as by the kernel, or paused as by a long swap.

Owns nothing but the names. Off unless REACTOR_FAILPOINT is set, which only tests do; then `name` or `name:kill` ends the
process with SIGKILL at that point, `name:pause` stops it with SIGSTOP until somebody sends SIGCONT. `name@N:action`
acts at the Nth time the point is passed, `name@*:action` every time.
"""

import os
import signal

NAMES = frozenset({
    "web.after_verify",        # the delivery is genuine, nothing is stored
    "web.after_record",        # the event is in the log, nobody has been told
    "dispatch.after_read",     # the event is pending at this consumer
    "dispatch.after_observe",  # the verdict is stored
    "dispatch.after_plan",     # the rows are stored, no RQ job exists
    "dispatch.after_enqueue",  # the RQ jobs exist, the event is not acknowledged
    "due.after_sweep",         # the row's next look is later, no RQ job exists
    "timer.after_ripen",       # what a timer asked for is stored, no RQ job of it exists
    "worker.after_pop",        # the RQ job is off the queue, the row is not claimed
    "worker.after_claim",      # the row is leased, nothing has been asked of the API
    "worker.after_look",       # the API said that nothing is there, and the row says so too
    "once.after_note",         # the row says that a call goes out which must not go out twice, and it has not
    "worker.after_call",       # the API has acted, the row does not know
    "worker.after_finish",     # the row is done, the RQ job is still there
    "run.after_advance",       # the run has moved on, no RQ job of its next row exists
    "reconcile.after_list",    # the API has said what there is, nothing is stored
    "reconcile.after_append",  # an event is in the log, the watermark is where it was
    "reconcile.after_keep",    # the watermark has moved on, the lease is held
    "watch.after_take",        # the watch is leased, nothing has been asked of the API
    "watch.after_poll",        # the API has answered, nobody knows
    "watch.after_tell",        # the event is in the log, the rows that wait are due, no RQ job exists
})  # fmt: skip

EVERY = "*"
SIGNALS = {"kill": signal.SIGKILL, "pause": signal.SIGSTOP}


class _Armed:
    """What REACTOR_FAILPOINT asks for: read at import, and never again while a process runs."""

    def __init__(self, setting: str) -> None:
        point, _, action = setting.partition(":")
        self.name, _, count = point.partition("@")
        self.signal = SIGNALS[action or "kill"]
        self.always = count == EVERY
        self.countdown = 1 if self.always else int(count or 1)
        if self.name and self.name not in NAMES:
            raise ValueError(f"REACTOR_FAILPOINT names {self.name!r}; the points are: {', '.join(sorted(NAMES))}")


_armed = _Armed(os.environ.get("REACTOR_FAILPOINT", ""))


def arm(setting: str) -> None:
    """Arm what `setting` asks for instead; for a process that is forked from one that had imported this."""
    global _armed  # what a process is armed with is a fact of that process
    _armed = _Armed(setting)


def failpoint(name: str) -> None:
    """Pass the point `name`: nothing happens unless a test armed it."""
    if name != _armed.name:
        return
    _armed.countdown -= 1
    if _armed.countdown == 0 or _armed.always:
        os.kill(os.getpid(), _armed.signal)
