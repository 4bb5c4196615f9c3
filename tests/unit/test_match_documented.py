"""`match` means what event-ruler's README and EventBridge's guide say of the same patterns, for payloads without nesting.

The sample event is the README's, its `detail` laid flat. What neither has for us (`wildcard`, `cidr`) is refused by name.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from reactor.rules.match import PatternError, all_hold, compile_match

EVENT: Mapping[str, Any] = {
    "version": "0",
    "id": "ddddd4-aaaa-7777-4444-345dd43cc333",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "012345679012",
    "time": "2017-10-02T16:24:49Z",
    "region": "us-east-1",
    "c-count": 5,
    "d-count": 3,
    "x-limit": 301.8,
    "instance-id": "i-000000aaaaaa00000",
    "state": "running",
}

README: Mapping[str, tuple[dict[str, Any], bool]] = {
    "every field named holds, others are ignored": (
        {"detail-type": ["EC2 Instance State-change Notification"], "state": ["initializing", "running"]},
        True,
    ),
    "one field that does not hold is enough": ({"source": ["aws.ec2"], "state": ["initializing"]}, False),
    "a field that is not there": ({"owner": ["ann"]}, False),
    "a text is not the number it spells": ({"version": [0]}, False),
    "a number is not its text": ({"c-count": ["5"]}, False),
    "prefix": ({"time": [{"prefix": "2017-10-02"}]}, True),
    "another prefix": ({"time": [{"prefix": "2018"}]}, False),
    "prefix of a number": ({"c-count": [{"prefix": "5"}]}, False),
    "suffix": ({"source": [{"suffix": "ec2"}]}, True),
    "another suffix": ({"source": [{"suffix": "EC2"}]}, False),
    "suffix of a number": ({"x-limit": [{"suffix": "8"}]}, False),
    "equals-ignore-case": ({"source": [{"equals-ignore-case": "AWS.EC2"}]}, True),
    "equals-ignore-case is no prefix": ({"source": [{"equals-ignore-case": "AWS"}]}, False),
    "anything-but one text": ({"state": [{"anything-but": "initializing"}]}, True),
    "anything-but this very text": ({"state": [{"anything-but": "running"}]}, False),
    "anything-but one number": ({"x-limit": [{"anything-but": 123}]}, True),
    "anything-but this very number": ({"x-limit": [{"anything-but": 301.8}]}, False),
    "anything-but texts": ({"state": [{"anything-but": ["stopped", "overloaded"]}]}, True),
    "anything-but texts with this one": ({"state": [{"anything-but": ["stopped", "running"]}]}, False),
    "anything-but numbers": ({"x-limit": [{"anything-but": [100, 200, 300]}]}, True),
    "anything-but numbers with this one": ({"d-count": [{"anything-but": [1, 2, 3]}]}, False),
    "anything-but a prefix": ({"state": [{"anything-but": {"prefix": "init"}}]}, True),
    "anything-but its prefix": ({"state": [{"anything-but": {"prefix": "run"}}]}, False),
    "anything-but a field that is not there": ({"owner": [{"anything-but": "ann"}]}, False),
    "numeric between": ({"c-count": [{"numeric": [">", 0, "<=", 5]}]}, True),
    "numeric below": ({"d-count": [{"numeric": ["<", 10]}]}, True),
    "numeric equal": ({"x-limit": [{"numeric": ["=", 3.018e2]}]}, True),
    "numeric out of bounds": ({"c-count": [{"numeric": [">", 0, "<", 5]}]}, False),
    "numeric of a text": ({"version": [{"numeric": ["=", 0]}]}, False),
    "exists": ({"c-count": [{"exists": True}]}, True),
    "exists not": ({"c-count": [{"exists": False}]}, False),
    "absent": ({"owner": [{"exists": False}]}, True),
    "not absent": ({"owner": [{"exists": True}]}, False),
    "the complex example": (
        {
            "time": [{"prefix": "2017-10-02"}],
            "state": [{"anything-but": "initializing"}],
            "c-count": [{"numeric": [">", 0, "<=", 5]}],
            "d-count": [{"numeric": ["<", 10]}],
            "x-limit": [{"anything-but": [100, 200, 300]}],
        },
        True,
    ),
    "several kinds of patterns for one field": ({"state": ["stopped", {"prefix": "run"}]}, True),
    "anything-but a suffix": ({"source": [{"anything-but": {"suffix": ".s3"}}]}, True),
    "anything-but its suffix": ({"source": [{"anything-but": {"suffix": ".ec2"}}]}, False),
    "anything-but in another case": ({"state": [{"anything-but": {"equals-ignore-case": "RUNNING"}}]}, False),
    "anything-but another word in any case": ({"state": [{"anything-but": {"equals-ignore-case": "STOPPED"}}]}, True),
}


@pytest.mark.parametrize(("match", "holds"), README.values(), ids=README.keys())
def test_a_documented_pattern_holds_as_documented(match: dict[str, Any], holds: bool) -> None:
    assert all_hold(compile_match(match), EVENT) is holds


VALUES = [
    ("null", [None], None, True),
    ("null is not an empty text", [None], "", False),
    ("an empty text", [""], "", True),
    ("an empty text is not null", [""], None, False),
    ("null is there", [{"exists": True}], None, True),
    ("true", [True], True, True),
    ("true is no text", [True], "true", False),
    ("5 is 5.0", [5], 5.0, True),
    ("300 is 3.0e2", [300], 3.0e2, True),
]


@pytest.mark.parametrize(("pattern", "value", "holds"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_a_value_is_matched_as_json_has_it(pattern: Any, value: Any, holds: bool) -> None:
    assert all_hold(compile_match({"field": pattern}), {"field": value}) is holds


NESTED = {
    "source": ["aws.cloudwatch"],
    "$or": [
        {"metricName": ["CPUUtilization", "ReadLatency"]},
        {
            "metricType": ["MetricType"],
            "namespace": ["AWS/EC2", "AWS/ES"],
            "$or": [{"metricId": [1234]}, {"spaceId": [1000]}],
        },
        {"scope": ["Service"]},
    ],
}


@pytest.mark.parametrize(
    ("event", "holds"),
    [
        ({"metricName": "ReadLatency"}, True),
        ({"scope": "Service"}, True),
        ({"metricType": "MetricType", "namespace": "AWS/ES", "spaceId": 1000}, True),
        ({"metricType": "MetricType", "namespace": "AWS/EC2", "metricId": 1234}, True),
        ({"metricType": "MetricType", "namespace": "AWS/EC2"}, False),
        ({"metricType": "MetricType", "metricId": 1234}, False),
        ({"metricId": 1234}, False),
        ({}, False),
        ({"source": "aws.s3", "scope": "Service"}, False),
    ],
)
def test_or_and_and_nest_as_documented(event: dict[str, Any], holds: bool) -> None:
    assert all_hold(compile_match(NESTED), {"source": "aws.cloudwatch", **event}) is holds


@pytest.mark.parametrize("pattern", [{"wildcard": "Simple*Service"}, {"cidr": "10.0.0.0/24"}])
def test_an_operator_that_we_do_not_have_is_refused_by_name(pattern: dict[str, Any]) -> None:
    with pytest.raises(PatternError, match=f"found operator {next(iter(pattern))!r}"):
        compile_match({"source": [pattern]})
