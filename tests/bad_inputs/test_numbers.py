"""The list of bad inputs, 1 to 151: each number is named once, with the test that sends it.

Most are in this directory. Those that another test holds already are not repeated here, only named.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HERE = "bad_inputs/test_deliveries.py::test_a_bad_delivery_is_refused_with_its_reason_and_leaves_nothing"
ODD = "bad_inputs/test_deliveries.py::test_an_odd_delivery_is_kept_and_decided_on_and_nothing_follows"
SOCKETS = "integration/test_web_sockets.py::"
WEB = "integration/test_web.py::"
HTTP = "bad_inputs/test_http.py::"
DRIPS = HTTP + "test_a_slow_sender_is_hung_up_on"
FLOODS = HTTP + "test_a_flood_is_cut_off_and_takes_no_memory"
AMBIGUOUS = SOCKETS + "test_a_body_of_ambiguous_length_is_refused_and_nothing_after_it_is_read"
JOBS = "integration/test_queue.py::test_hostile_jobs_never_run_are_shown_as_failed_and_stop_nobody"
RULES = "unit/test_bad_rules.py::"
BAD_RULES = RULES + "test_a_bad_file_of_rules_ends_in_an_error_soon"
HARMLESS = RULES + "test_what_harms_others_and_means_nothing_here_is_sound"
FILES = "bad_inputs/test_files_and_clocks.py::"
HEADS = SOCKETS + "test_a_strange_head_is_refused_or_harmless"

NUMBERS: dict[int, str] = {
    **dict.fromkeys([*range(1, 23), *range(24, 32), *range(33, 39), *range(40, 48), *range(50, 56)], HERE),
    23: ODD,
    32: SOCKETS + "test_a_signature_in_a_trailer_is_none",
    39: ODD,
    48: "bad_inputs/test_deliveries.py::test_48_and_49_a_delivery_again_and_again_is_one_event",
    49: "bad_inputs/test_deliveries.py::test_48_and_49_a_delivery_again_and_again_is_one_event",
    56: WEB + "test_another_method_is_not_allowed",
    57: WEB + "test_another_path_is_not_found_and_not_redirected",
    58: FLOODS,
    59: FLOODS,
    60: DRIPS,
    61: DRIPS,
    62: DRIPS,
    63: DRIPS,
    64: AMBIGUOUS,
    65: AMBIGUOUS,
    66: AMBIGUOUS,
    67: FLOODS,
    68: FLOODS,
    69: HEADS,
    70: FLOODS,
    71: WEB + "test_what_can_not_be_believed_is_refused_counted_and_leaves_no_trace",
    72: WEB + "test_the_content_type_does_not_matter_as_the_body_is_signed",
    73: HTTP + "test_a_header_that_asks_for_more_changes_nothing",
    74: SOCKETS + "test_an_upgrade_to_http2_is_ignored_and_the_body_read",
    75: SOCKETS + "test_pipelined_deliveries_are_answered_in_order",
    76: SOCKETS + "test_half_open_connections_delay_nobody",
    77: HEADS,
    78: SOCKETS + "test_what_is_no_request_is_refused_without_a_trace",
    **dict.fromkeys([*range(79, 86), 88, 90, 91, 92, 93, 95, 101], HERE),
    **dict.fromkeys([86, 87, 89, 94, 96, 97, 98, 99, 100, 102], ODD),
    103: "bad_inputs/test_deliveries.py::test_103_one_change_under_two_ids_fires_once",
    104: "bad_inputs/test_deliveries.py::test_104_ready_before_created_fires_once",
    105: "bad_inputs/test_deliveries.py::test_105_three_states_at_one_time_end_in_the_same_state",
    **dict.fromkeys([*range(107, 116), *range(117, 122), *range(123, 138)], BAD_RULES),
    116: HARMLESS,
    122: HARMLESS,
    138: "integration/test_cli_jobs.py::test_a_slip_is_answered_with_its_remedy",
    139: "integration/test_jobs.py::test_a_job_that_is_gone_is_said_to_be",
    140: "integration/test_jobs.py::test_of_many_who_retry_one_job_one_does",
    141: FILES + "test_a_file_of_ten_megabytes_ends_in_one_sentence_and_leaves_nothing",
    142: "e2e/test_output_is_cut_off.py::test_142_a_reader_that_goes_away_ends_the_command_quietly",
    143: "integration/test_degraded.py::test_143_a_key_of_another_type_is_unable_not_faulty_and_is_over_when_it_is_gone",
    144: "integration/test_scripts.py::test_a_dispatcher_goes_on_after_a_flush_of_everything",
    145: "integration/test_scripts.py::test_a_flushed_script_is_loaded_again",
    **dict.fromkeys([146, 147, 148, 149], JOBS),
    150: FILES + "test_150_a_web_process_with_a_wrong_clock_refuses_and_recovers_with_its_clock",
    151: "integration/test_client.py::test_151_a_full_disk_is_unable_not_faulty_and_over_when_there_is_room",
    106: "bad_inputs/test_deliveries.py::test_106_a_state_after_the_end_fires_nothing",
}

STORED = (*range(1, 32), *range(33, 56), *range(79, 107), 139, 140, *range(143, 152))
"""What concerns the store is sent to Valkey and to Redis; 32 is about requests alone."""

CASES = (HERE, ODD, DRIPS, FLOODS, BAD_RULES, HARMLESS)
"""Tests of many inputs, each of which begins with its number."""


@cache
def parsed(file: str) -> ast.Module:
    return ast.parse((TESTS / file).read_text("utf-8"))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_bad_input_has_a_test(number: int) -> None:
    file, _, function = NUMBERS[number].partition("::")

    defined = {node.name for node in ast.walk(parsed(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert function in defined


@pytest.mark.parametrize("number", [number for number, place in NUMBERS.items() if place in CASES])
def test_a_bad_input_that_is_one_case_of_many_is_among_them(number: int) -> None:
    files = ("bad_inputs/deliveries.py", "bad_inputs/test_http.py", "unit/test_bad_rules.py")

    names = {
        str(node.value).partition(" ")[0]
        for file in files
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert str(number) in names


@pytest.mark.parametrize("number", STORED)
def test_a_bad_input_that_concerns_the_store_is_sent_to_every_server(number: int) -> None:
    file, _, function = NUMBERS[number].partition("::")
    body = parsed(file).body
    [test] = [
        node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
    ]
    marks = [*test.decorator_list, *(node for node in body if isinstance(node, ast.Assign))]

    assert "pytest.mark.every_server" in {part for mark in marks for part in ast.unparse(mark).split(" = ")}


def test_each_number_is_there() -> None:
    assert set(NUMBERS) == set(range(1, 152))
