"""What correctness rests on is set in one place, and nothing around the process unsets it."""

from __future__ import annotations

import pytest

from chronos.errors import SettingFault
from chronos.settings import Settings
from chronos.stream.app import ROLES, make_app

OF_OTHER_PROGRAMS = {
    "PRODUCER_ACKS": "1",
    "PROCESSING_GUARANTEE": "exactly_once",
    "BROKER_URL": "kafka://somewhere:1",
    "BROKER_MAX_POLL_INTERVAL": "1000",
    "CONSUMER_AUTO_OFFSET_RESET": "latest",
    "STREAM_WAIT_EMPTY": "0",
    "WEB_PORT": "80",
    "APP_ENV_PREFIX": "CHRONOS_",
    "CHRONOS_PRODUCER_ACKS": "1",
}


@pytest.mark.parametrize("role", ROLES)
def test_the_environment_weakens_no_setting_of_a_worker(role, monkeypatch):
    plain = make_app(Settings(), role).conf
    for name, value in OF_OTHER_PROGRAMS.items():
        monkeypatch.setenv(name, value)

    conf = make_app(Settings(), role).conf

    assert conf.producer_acks == -1
    assert conf.processing_guarantee.value == "at_least_once"
    assert [str(url) for url in conf.broker] == [str(url) for url in plain.broker]
    assert conf.broker_max_poll_interval == plain.broker_max_poll_interval
    assert conf.consumer_auto_offset_reset == "earliest"
    assert conf.stream_wait_empty is True
    assert conf.web_port == plain.web_port


def test_a_setting_for_fewer_acknowledgements_is_refused_by_its_name():
    with pytest.raises(SettingFault, match="CHRONOS_PRODUCER_ACKS") as refused:
        Settings.from_environment({"CHRONOS_PRODUCER_ACKS": "1"})

    assert refused.value.exit_code == 78
