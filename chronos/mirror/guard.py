"""The Elasticsearch client as every call here uses it: bounded, and with our faults only.

`ping()` and `info()` are never called: `GET /` does not exist in every distribution.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from elasticsearch import ApiError, AsyncElasticsearch, BadRequestError, TransportError

from chronos.errors import ChronosError, Unavailable

SEARCH_DEADLINE_S = 3.0
BULK_DEADLINE_S = 30.0
CREATE_DEADLINE_S = 30.0
INDEX_CLOSED = "index_closed_exception"
"""A 400 that ends when somebody opens the index."""
_CONNECTIONS_MAX = 16


class SearchRefused(ChronosError):
    """Says that Elasticsearch cannot make sense of a request; asking again is no use."""


def open_client(url: str) -> AsyncElasticsearch:
    """Makes a client; nothing is connected before the first call.

    It never retries by itself: an agent retries for as long as it takes, a view not at all.
    Its log is quieted: it has a line for each request, and what fails is told by the caller.
    """
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    return AsyncElasticsearch(
        [url],
        request_timeout=SEARCH_DEADLINE_S,
        max_retries=0,
        retry_on_timeout=False,
        retry_on_status=(),
        connections_per_node=_CONNECTIONS_MAX,
        # One address: a dead node must be asked again at once, not after a growing pause.
        dead_node_backoff_factor=0,
        meta_header=False,
    )


@contextmanager
def guarded() -> Iterator[None]:
    """Turns the client's errors into `Unavailable`, or `SearchRefused` for most 400s."""
    try:
        yield
    except BadRequestError as error:
        if error.error == INDEX_CLOSED:
            raise Unavailable("elasticsearch", str(error)) from error
        raise SearchRefused(f"Elasticsearch refuses the request: {error}") from error
    except ApiError as error:
        raise Unavailable("elasticsearch", str(error)) from error
    except (TransportError, OSError) as error:
        raise Unavailable("elasticsearch", f"{type(error).__name__}: {error}") from error
