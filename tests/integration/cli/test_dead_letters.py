"""Dead letters are shown as they are, and steer no terminal."""

from __future__ import annotations

import pytest

from chronos.wire.dead_letter import Origin, origin_headers
from tests.integration.audit.conftest import Estate

ORIGIN = Origin(
    found_at="chronos.events.v1/1/17",
    found_by="balances",
    reason="no key",
    written_at="2026-01-01T00:00:00.000000Z",
)
# Clears the screen, sets the title, writes from right to left, and ends with a C1 control.
HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \x9b31m\r"


@pytest.fixture
async def letters(estate: Estate, refusals) -> Estate:  # noqa: ARG001 - it makes the topics
    """Four foreign records in two partitions."""
    topic = estate.targets.names.dead_letters
    hostile = HOSTILE.encode()
    for partition, key, value, headers in (
        (0, b"k", b'{"a": [1, "\xc3\xa4"]}', [("theirs", b"1")]),
        (0, None, b"\xff\x00\x1b[2J" * 1000, []),
        (0, hostile, hostile, [(HOSTILE, hostile)]),
        (1, b"z", None, []),
    ):
        await estate.producer.send_and_wait(
            topic,
            value,
            key,
            partition=partition,
            headers=[*headers, *origin_headers(ORIGIN)],
        )
    return estate


@pytest.mark.usefixtures("refusals")
async def test_an_empty_topic_says_so(run, data):
    listed = await run("dead-letters", "list", "--data", data)
    assert (listed.code, listed.out.startswith("no dead letters in ")) == (0, True)
    as_json = await run("dead-letters", "list", "--data", data, "--json")
    assert as_json.json == {"dead_letters": [], "next": None}


@pytest.mark.usefixtures("letters")
async def test_they_are_listed_in_the_order_of_the_topic_page_by_page(run, data):
    whole = await run("dead-letters", "list", "--data", data, "--json")
    assert [letter["place"] for letter in whole.json["dead_letters"]] == [
        "0:0",
        "0:1",
        "0:2",
        "1:0",
    ]
    first = whole.json["dead_letters"][0]
    assert first["found_at"] == "chronos.events.v1/1/17"
    assert (first["found_by"], first["reason"]) == ("balances", "no key")
    assert (first["key"], first["size_bytes"]) == ({"text": "k"}, 16)

    page = await run("dead-letters", "list", "--data", data, "--limit", "3")
    assert "more: --from 1:0" in page.err
    rows = page.out.splitlines()
    assert len(rows) == 4
    assert rows[1].split()[:4] == ["0:0", "chronos.events.v1/1/17", "balances", "k"]
    rest = await run("dead-letters", "list", "--data", data, "--from", "1:0")
    assert (len(rest.out.splitlines()), rest.err) == (2, "")
    cut = await run("dead-letters", "list", "--data", data, "--limit", "1", "--json")
    assert cut.json["next"] == "0:1"


@pytest.mark.usefixtures("letters")
async def test_hostile_bytes_reach_no_terminal(run, data):
    for words in (
        ("list",),
        ("list", "--json"),
        ("show", "0:2"),
        ("show", "0:2", "--json"),
        ("show", "0:1"),
    ):
        ended = await run("dead-letters", *words, "--data", data)
        assert (ended.code, ended.err) == (0, "")
        assert all(one.isprintable() or one == "\n" for one in ended.out), words
    shown = await run("dead-letters", "show", "0:2", "--data", data)
    assert "\\u001b[2J" in shown.out
    assert "\\u202egnp.exe" in shown.out
    whole = await run("dead-letters", "show", "0:2", "--data", data, "--json")
    assert whole.json["value"] == {"text": HOSTILE}
    assert whole.json["headers"] == [{"name": HOSTILE, "value": {"text": HOSTILE}}]
    # The same bytes in a topic that is only watched.
    words = ("--from-beginning", "--no-follow", "--data", data)
    for form in ((), ("--json",)):
        tail = await run("events", "tail", *words, *form)
        assert all(one.isprintable() or one == "\n" for one in tail.out)


@pytest.mark.usefixtures("letters")
async def test_one_is_shown_with_its_bytes_as_what_they_are(run, data):
    shown = await run("dead-letters", "show", "0:0", "--data", data)
    for text in ("chronos.events.v1/1/17", "balances", "no key", "theirs: 1", "16 bytes"):
        assert text in shown.out
    assert '{\n  "a": [\n    1,\n    "ä"\n  ]\n}\n' in shown.out
    binary = await run("dead-letters", "show", "0:1", "--data", data)
    assert "00000000  ff 00 1b 5b 32 4a ff 00" in binary.out
    assert "1904 bytes more: --raw" in binary.out
    nothing = await run("dead-letters", "show", "1:0", "--data", data)
    assert "no value" in nothing.out


async def test_raw_bytes_go_to_a_pipe_unchanged(run, data, letters):
    raw = await run("dead-letters", "show", "0:2", "--raw", "--data", data)
    assert (raw.code, raw.out) == (0, HOSTILE)
    both = await run("dead-letters", "show", "0:2", "--raw", "--json", "--data", data)
    assert both.code == 2
    assert letters is not None


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize("place", ["0:99", "1:1", "7:0"])
async def test_a_place_without_a_letter_is_a_sentence_and_exit_code_one(run, data, place):
    ended = await run("dead-letters", "show", place, "--data", data)
    assert ended.code == 1
    assert ended.err.startswith(f"chronos: There is no dead letter at {place}; ")


async def test_what_is_no_place_is_refused(run, data):
    for word in ("3", "a:b", "-1:0", "1:2:3", "1:\x1b[2J"):
        ended = await run("dead-letters", "show", "--data", data, "--", word)
        assert ended.code == 2, word
        assert "\x1b" not in ended.err
