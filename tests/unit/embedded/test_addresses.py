from __future__ import annotations

import json
import stat

import pytest

from chronos.embedded.addresses import Addresses, TopicNames, read_addresses
from chronos.errors import MissingPart

ADDRESSES = Addresses(
    api="http://127.0.0.1:8080",
    query="http://127.0.0.1:6066",
    grpc="127.0.0.1:50051",
    metrics=("http://127.0.0.1:8090/metrics",),
    postgres="postgresql://chronos_owner:secret@127.0.0.1:5432/chronos",
    kafka="127.0.0.1:9092",
    redis="redis://:secret@127.0.0.1:6379/0",
    elasticsearch="http://127.0.0.1:9200",
    api_key="chk_id_secret",
    topics=TopicNames(events="e", rejections="r", dead_letters="d"),
    partitions=8,
    relay_shards=4,
    pids={"api": 7, "balances-2": 8},
)


def test_what_is_written_is_read_back(tmp_path):
    ADDRESSES.write(tmp_path / "addresses.json")

    assert read_addresses(tmp_path / "addresses.json") == ADDRESSES
    assert stat.S_IMODE((tmp_path / "addresses.json").stat().st_mode) == 0o600


def test_the_file_has_exactly_the_keys_that_tools_rely_on(tmp_path):
    ADDRESSES.write(tmp_path / "addresses.json")

    written = json.loads((tmp_path / "addresses.json").read_text())
    assert set(written) == {
        "api", "query", "grpc", "metrics", "postgres", "kafka", "redis", "elasticsearch",
        "api_key", "topics", "partitions", "relay_shards", "pids",
    }  # fmt: skip
    assert set(written["topics"]) == {"events", "rejections", "dead_letters"}


def test_no_secret_shows_in_a_representation():
    assert "secret" not in repr(ADDRESSES)


def test_nobody_running_is_said_with_the_command_that_starts_one(tmp_path):
    with pytest.raises(MissingPart, match=f"chronos up --data {tmp_path}"):
        read_addresses(tmp_path / "run" / "addresses.json")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"topics": 1}'])
def test_a_file_of_another_shape_is_refused(tmp_path, text):
    (tmp_path / "addresses.json").write_text(text)

    with pytest.raises(MissingPart, match="cannot be read"):
        read_addresses(tmp_path / "addresses.json")
