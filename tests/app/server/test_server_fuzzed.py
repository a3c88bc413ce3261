"""The API against its own description: requests drawn from it, right and wrong ones, must get what it promises."""

from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from live_server import live
from penchant import Engine
from penchant.app.server.app import create_app
from penchant.app.server.config import ServerConfig
from penchant.app.server.keys import KeyStore
from penchant.app.server.limits import RateLimit
from penchant.clock import fixed
from penchant.testing import toy_log

EXAMPLES = 5
"""Requests drawn for each operation and mode."""

BEYOND_SCHEMAS = [positive_data_acceptance]
"""What an event of each type needs, and what a moment is, no schema says: right shapes may be refused too."""
ONE_BY_ONE = {"POST /v1/events", "POST /v1/events/stream"}
"""Of a list the good events are taken, and the receipt names the others: no status is right for all of them."""


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """Send whatever was drawn as it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    toy = toy_log(n_users=4, deeds_per_user=10)
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    _, token = KeyStore(keys).add(["admin"])
    with Engine.open(clock=fixed(toy.ends)) as engine:
        engine.ingest(toy.events)
        app = create_app(engine, ServerConfig(keys=keys, rate_per_s=0, warm_up=False))
        app.state.service.wrong_keys = RateLimit(0)  # many are tried
        with live(app) as address:
            yield schemathesis.openapi.from_url(f"{address}/openapi.json"), {"Authorization": f"Bearer {token}"}


def keep_asking(operation, mode, headers):
    """Send requests of one operation, and check every answer."""
    left_out = BEYOND_SCHEMAS + [negative_data_rejection] * (operation.label in ONE_BY_ONE)

    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        case.call_and_validate(headers=headers, excluded_checks=left_out)

    # Where there is nothing to send, nothing can be sent wrong.
    with suppress(Unsatisfiable) if mode is schemathesis.GenerationMode.NEGATIVE else nullcontext():
        check()


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # schemathesis does, in its own strategies
@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
def test_every_operation_keeps_its_promise(served, mode):
    schema, headers = served
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 25
    for operation in operations:
        if operation.label != "POST /v1/tasks":  # each would be real work; it has tests of its own
            keep_asking(operation, mode, headers)
