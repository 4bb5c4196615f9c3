"""How fast an API may be called, learned from its replies."""

from dataclasses import dataclass

from reactor.apis.pace import FIRST, Pace, announced


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def left(remaining: int, reset: int, limit: str = "-sandbox-create") -> dict[str, str]:
    return {f"X-RateLimit-Remaining{limit}": str(remaining), f"X-RateLimit-Reset{limit}": str(reset)}


def send_while_allowed(pace: Pace, operation: str, most: int = 100) -> int:
    sent = 0
    while sent < most and pace.wait(operation) == 0:
        pace.sent(operation)
        sent += 1
    return sent


def test_an_operation_nothing_is_known_of_is_tried_with_a_few_calls() -> None:
    pace = Pace(Clock())

    assert send_while_allowed(pace, "createSandbox") == FIRST


def test_waiting_long_for_a_first_reply_lets_more_calls_out() -> None:
    clock = Clock()
    pace = Pace(clock)
    send_while_allowed(pace, "createSandbox")

    clock.now += 2

    assert send_while_allowed(pace, "createSandbox") == 3 * FIRST


def test_an_api_that_announces_no_limits_is_not_held_back() -> None:
    pace = Pace(Clock())
    pace.sent("getVolume")

    pace.ended("getVolume", {"Content-Type": "application/json"})

    assert send_while_allowed(pace, "getVolume", most=50) == 50


def test_calls_stop_at_what_is_left_and_go_on_when_it_is_renewed() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.sent("createSandbox")

    pace.ended("createSandbox", left(7, 30))

    assert send_while_allowed(pace, "createSandbox") == 7
    assert pace.wait("createSandbox") == 30
    for _ in range(7):
        pace.ended("createSandbox", left(0, 30))
    clock.now += 30
    assert send_while_allowed(pace, "createSandbox") == FIRST


def test_a_short_limit_is_used_in_full_after_its_renewal() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.sent("createSandbox")
    pace.ended("createSandbox", left(0, 1))
    clock.now += 1
    pace.sent("createSandbox")

    pace.ended("createSandbox", left(59, 1))

    assert send_while_allowed(pace, "createSandbox") == 59


def test_an_older_reply_that_comes_later_frees_nothing() -> None:
    pace = Pace(Clock())
    for _ in range(2):
        pace.sent("createSandbox")

    pace.ended("createSandbox", left(0, 30))
    pace.ended("createSandbox", left(1, 30))

    assert pace.wait("createSandbox") > 0


def test_a_call_without_a_reply_is_under_way_no_more() -> None:
    pace = Pace(Clock())
    pace.sent("createSandbox")
    pace.ended("createSandbox", left(1, 30))
    pace.sent("createSandbox")
    assert pace.wait("createSandbox") > 0

    pace.ended("createSandbox", None)

    assert pace.wait("createSandbox") == 0


def test_operations_of_one_limit_share_it_and_others_do_not() -> None:
    pace = Pace(Clock())
    for operation in ("startSandbox", "stopSandbox", "getVolume"):
        pace.sent(operation)
    pace.ended("getVolume", left(50, 30, "-authenticated"))
    pace.ended("startSandbox", left(5, 30, "-sandbox-lifecycle"))
    pace.ended("stopSandbox", left(0, 30, "-sandbox-lifecycle"))

    assert pace.wait("startSandbox") == 30
    assert pace.wait("getVolume") == 0


def test_a_refusal_that_says_only_when_to_come_back_holds_the_others_back() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.sent("createSandbox")

    pace.ended("createSandbox", {"Retry-After-sandbox-create": "12"})

    assert pace.wait("createSandbox") == 12
    clock.now += 12
    assert send_while_allowed(pace, "createSandbox") == FIRST


def test_a_refused_key_stops_every_operation_and_is_tried_again_by_a_few_calls() -> None:
    clock = Clock()
    pace = Pace(clock)
    for operation in ("getVolume", "createSandbox"):
        pace.sent(operation)
        pace.ended(operation, {})

    pace.refused(10)

    assert pace.wait("getVolume") == pace.wait("createSandbox") == 10
    clock.now += 10
    assert send_while_allowed(pace, "getVolume") == FIRST
    pace.accepted()
    assert pace.wait("createSandbox") == 0


def test_headers_that_say_nothing_usable_are_passed_over() -> None:
    assert announced({"X-RateLimit-Remaining": "many", "X-RateLimit-Reset": "5"}) == []
    assert announced({"X-RateLimit-Remaining": "5"}) == []
    assert announced({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "60"}) == [("", 5, 60.0)]
