"""Log lines without secrets, and trace contexts that go on."""

import io
import json

import pytest

from chronos.telemetry.logs import AccessLine, AccessLog, hide_secret_fields, hide_secrets
from chronos.telemetry.traces import accept_traceparent, is_valid_traceparent, trace_id_of

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_callers_trace_goes_on_unchanged():
    assert accept_traceparent(GIVEN) == GIVEN
    assert trace_id_of(GIVEN) == "0af7651916cd43dd8448eb211c80319c"


def test_a_later_version_is_read_by_its_first_fields():
    assert accept_traceparent("cc" + GIVEN[2:] + "-what-the-future-brings") == GIVEN


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        GIVEN.upper(),
        "ff" + GIVEN[2:],
        GIVEN + "-more",
        GIVEN + "\n",
        GIVEN[:-1],
    ],
)
def test_without_a_usable_trace_a_new_one_begins(header):
    made = accept_traceparent(header)

    assert is_valid_traceparent(made)
    assert trace_id_of(made) != trace_id_of(GIVEN)
    assert made != accept_traceparent(header)


def test_fields_named_like_a_secret_are_emptied():
    event = hide_secret_fields(None, "info", {"event": "x", "token": "t", "port": 1})

    assert event == {"event": "x", "token": "***", "port": 1}


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        (b"key chk_abc123_SECRET-part end", b"key chk_abc123_*** end"),
        (b"Authorization: Bearer abc.def", b"Authorization: Bearer ***"),
        (b"postgresql://owner:pass@host/db", b"postgresql://owner:***@host/db"),
        (b"nothing to see", b"nothing to see"),
    ],
)
def test_a_finished_line_loses_its_secrets(line, clean):
    assert hide_secrets(line) == clean


async def test_access_lines_are_written_together():
    stream = io.BytesIO()
    log = AccessLog(stream=stream)
    line = AccessLine(
        timestamp="2026-01-01T00:00:00.000+00:00",
        process="api-0",
        request_id="req_1",
        trace_id="t",
        principal="alice",
        method="POST",
        path="/v1/transfers",
        status=201,
        code=None,
        duration_ms=1.5,
        remote="127.0.0.1",
    )

    log.write(line)
    log.write(line)
    assert stream.getvalue() == b""
    log.flush()

    first, second = stream.getvalue().splitlines()
    assert json.loads(first) == json.loads(second)
    assert json.loads(first)["request_id"] == "req_1"
