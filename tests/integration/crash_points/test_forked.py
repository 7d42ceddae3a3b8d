"""Of an API of several processes each has the armed point, and its parent starts it again."""

from __future__ import annotations

import json

from tests.integration.api.running import make_key, running_api, wait_until


def test_each_process_of_an_api_ends_at_the_point_and_is_started_again(database, tmp_path):
    key = make_key(database, "tester", "read", "write")
    with running_api(database, tmp_path, api_processes=2, crash_at="after-commit:2") as api:
        door, opened = api.door(key), []

        def died() -> int:
            lines = map(parsed, api.log.read_text().splitlines())
            codes = [x.get("exit_code") for x in lines if x.get("event") == "api_process_died"]
            assert set(codes) <= {137}
            return len(codes)

        def open_one_more() -> bool:
            name = f"a{len(opened)}"
            try:
                answer = door.post("/v1/accounts", {"id": name, "currency": "EUR"}, key=name)
            except OSError:
                return False
            if answer.status == 201:
                opened.append(name)
            return died() >= 3

        wait_until(open_one_more, 60, api.log.read_text)

        text = api.log.read_text()
        armed = [x["process"] for x in map(parsed, text.splitlines()) if is_armed(x)]
        assert {"api-0", "api-1"} <= set(armed)
        assert len(opened) > 3
        assert api.stop() == 0


def is_armed(line: dict[str, object]) -> bool:
    return line.get("event") == "crash_point_armed" and line.get("level") == "warning"


def parsed(line: str) -> dict[str, object]:
    return json.loads(line) if line.startswith("{") else {}
