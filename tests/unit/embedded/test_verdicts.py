from __future__ import annotations

import json

from chronos.embedded.verdicts import died_again, end_of, final_fault, last_sentence, not_ready


def test_the_sentence_of_the_command_line_is_found_among_later_lines():
    lines = ("chronos: CHRONOS_X: is wrong.", "bye")

    assert last_sentence(lines) == "CHRONOS_X: is wrong."


def test_the_reason_of_a_workers_end_is_found_in_its_log():
    ended = json.dumps({"event": "worker_ended", "exit_code": 70, "reason": "acc_1 at 7."})

    assert last_sentence(("{}", ended, '{"event":"other"}')) == "acc_1 at 7."


def test_a_silent_process_is_said_to_have_been_silent():
    assert last_sentence(()) == "it said nothing"


def test_a_final_end_quotes_the_process_and_keeps_its_exit_code(tmp_path):
    log = tmp_path / "balances.log"
    log.write_text("chronos: acc_1 disagrees at version 7.\n")

    fault = final_fault("balances", 70, log)

    assert fault.exit_code == 70
    assert "exit code 70: acc_1 disagrees at version 7. Now run `chronos verify`" in str(fault)
    assert str(log) in str(fault)


def test_the_end_of_a_log_is_bounded(tmp_path):
    log = tmp_path / "kafka.log"
    log.write_text("first\n" + "x" * 100_000 + "\n\nlast\n")

    said = end_of(log)

    assert said.endswith("/ last")
    assert len(said) < 1000


def test_a_missing_log_is_no_second_fault(tmp_path):
    assert "(empty)" in str(died_again("kafka", 3, tmp_path / "none.log"))


def test_a_foreign_server_has_an_address_to_correct_instead_of_a_log():
    assert "correct the address" in str(not_ready("kafka", 30, None))
