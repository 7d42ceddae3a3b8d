"""Log lines without secrets, and trace contexts that go on."""

import io
import json
from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from aiohttp.test_utils import make_mocked_request

from chronos.api.answer import Answer
from chronos.api.exchange import Exchange
from chronos.api.watching import Watch
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


class _Stopped:
    """A clock that stands still."""

    def __init__(self, now: datetime):
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return 0.0


async def test_a_line_tells_to_the_millisecond_when_its_request_was_answered():
    for now in (
        datetime(2026, 1, 1, tzinfo=UTC),  # so that it was answered in the year before
        datetime(2026, 2, 28, 23, 59, 59, 50_999, tzinfo=UTC),
    ):
        stream = io.BytesIO()
        watch = Watch(process="api-0", clock=_Stopped(now), access_log=AccessLog(stream=stream))
        exchange = Exchange(
            request=make_mocked_request("GET", "/v1/accounts/a"),
            request_id="req_1",
            traceparent=GIVEN,
            path="/v1/accounts/a",
        )
        watch.answered(exchange, Answer(status=200, body=b""), started_s=perf_counter())
        watch.flush()

        told = json.loads(stream.getvalue())["timestamp"]
        answered_at = datetime.fromisoformat(told)
        assert told == answered_at.isoformat(timespec="milliseconds")
        assert timedelta(0) <= now - answered_at < timedelta(seconds=5)
        assert answered_at.utcoffset() == timedelta(0)
