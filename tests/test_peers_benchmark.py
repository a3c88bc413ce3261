"""The benchmark beside other libraries runs as a whole; without them only our own models are in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from penchant.testing import toy_log

PEERS = Path(__file__).parents[1] / "benchmarks" / "peers"


def test_our_models_go_through_files_as_the_others_do(tmp_path):
    events = tmp_path / "events.jsonl"
    toy = toy_log(n_users=20, n_items=25, deeds_per_user=20)
    events.write_text("\n".join(json.dumps(event) for event in toy.events))
    out = tmp_path / "figures.json"
    command = [sys.executable, str(PEERS / "compare.py"), "--data", str(events), "--seen", "allow"]
    command += ["--libraries", "none", "--models", "most_popular,repeat,magic", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    rows = {row["name"]: row for row in report["rows"]}
    assert "no item model named 'magic'" in rows["penchant: magic"]["failed"]
    for name in ("penchant: most_popular", "penchant: repeat"):
        assert 0 < rows[name]["metrics"]["ndcg@10"]["value"] < 1
        assert rows[name]["fit_s"] >= 0
    assert (
        rows["penchant: repeat"]["metrics"]["ndcg@10"]["low"] <= rows["penchant: repeat"]["metrics"]["ndcg@10"]["value"]
    )
    assert report["users"] > 5
    assert "most_popular" in done.stdout


def test_long_answers_become_rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(PEERS))
    from exchange import rows_of

    found = rows_of(np.array([7, 3]), np.array([3, 3, 3, 7]), np.array([5, 6, 1, 9]), 2)
    assert found.tolist() == [[9, -1], [5, 6]]
