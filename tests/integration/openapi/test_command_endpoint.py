"""The command endpoint does what its OpenAPI document says, whatever it is sent."""

from __future__ import annotations

from pathlib import Path

from chronos.api.table import ROUTES
from tests.databases import Database
from tests.integration.api.running import Inspector, make_key, running_api
from tests.integration.openapi.bank import furnish
from tests.integration.openapi.trial import PHASES, try_document


def test_whatever_is_sent_is_answered_as_the_document_says(
    own_database: Database, tmp_path: Path
) -> None:
    with (
        running_api(own_database, tmp_path, log_level="warning") as api,
        Inspector(own_database) as inspector,
    ):
        key = make_key(own_database, "somebody", "read", "write")
        furnish(api.door(key))

        trial = try_document(
            f"http://127.0.0.1:{api.port}",
            key=key,
            rules="command_endpoint.toml",
            folder=tmp_path,
        )

        assert trial.exit_code == 0, trial.story
        assert trial.finished() == set(PHASES), trial.story
        assert trial.tried() == len(ROUTES)
        assert trial.refused_everywhere() == set(), trial.story
        books = api.door(key).get("/v1/trial-balance").json
        assert books["balanced"] is True
        gaps = "SELECT account_id FROM events GROUP BY 1 HAVING max(version) <> count(*)"
        assert inspector.fetch(gaps) == []
        assert "internal_error" not in api.log.read_text()
        assert api.stop() == 0
