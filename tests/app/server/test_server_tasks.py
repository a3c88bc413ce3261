"""Tasks in the background: done one after the other, kept, taken up again after a restart."""

from __future__ import annotations

import time

import msgspec
import pytest

from penchant.app.server.tasks import MARK, Task, TaskBody, Tasks
from penchant.errors import StorageError


def ended(client, task_id):
    until = time.monotonic() + 60
    while (task := client.get(f"/v1/tasks/{task_id}").json())["state"] in ("waiting", "running"):
        assert time.monotonic() < until
        time.sleep(0.02)
    return task


def test_fit_evaluate_and_rebuild(toy_client):
    asked = [
        toy_client.post("/v1/tasks", json=body)
        for body in (
            {"kind": "fit", "what": ["item_knn"]},
            {"kind": "evaluate", "max_users": 5, "test": 0.3},
            {"kind": "rebuild"},
        )
    ]
    assert [one.status_code for one in asked] == [202] * 3
    assert asked[0].headers["location"] == f"/v1/tasks/{asked[0].json()['id']}"
    fitted, evaluated, rebuilt = (ended(toy_client, one.json()["id"]) for one in asked)
    assert [one["state"] for one in (fitted, evaluated, rebuilt)] == ["done"] * 3, (fitted, evaluated, rebuilt)
    assert fitted["result"]["item_knn"]["seconds"] > 0
    assert {one["model"] for one in evaluated["result"]["models"]} >= {"pipeline", "popular"}
    assert rebuilt["result"] == {"events": 520}
    assert fitted["began_at"] <= fitted["ended_at"] <= evaluated["began_at"]
    listed = toy_client.get("/v1/tasks").json()["tasks"]
    assert [one["asked"]["kind"] for one in listed] == ["rebuild", "evaluate", "fit"]


def test_a_fit_changes_lists_that_were_kept(toy_client):
    first = toy_client.get("/v1/users/user-3/recommendations").json()["recommendations"]
    assert not any("item_knn" in one["parts"] for one in first)
    task = toy_client.post("/v1/tasks", json={"kind": "fit", "what": ["item_knn"]}).json()
    ended(toy_client, task["id"])
    after = toy_client.get("/v1/users/user-3/recommendations").json()["recommendations"]
    assert any("item_knn" in one["parts"] for one in after)


def test_a_task_that_fails_says_why(toy_client):
    task = toy_client.post("/v1/tasks", json={"kind": "fit", "what": ["magic"]}).json()
    failed = ended(toy_client, task["id"])
    assert failed["state"] == "failed"
    assert "named 'magic'" in failed["error"]
    assert toy_client.post("/v1/tasks", json={"kind": "dance"}).status_code == 422
    assert toy_client.post("/v1/tasks", json={"kind": "evaluate", "test": 2}).status_code == 422


@pytest.fixture
def started(toy_engine):
    running = []

    def start():
        tasks = Tasks(toy_engine, lambda: None)
        running.append(tasks)
        tasks.start()
        return tasks

    yield start
    for tasks in running:
        tasks.stop(20)


def wait_for(tasks, task_id):
    until = time.monotonic() + 30
    while tasks.get(task_id).state in ("waiting", "running"):
        assert time.monotonic() < until
        time.sleep(0.02)
    return tasks.get(task_id)


def keep(engine, *tasks):
    engine.log.set_mark(MARK, msgspec.json.encode(list(tasks)).decode())


def test_what_a_restart_broke_off_is_begun_again_once(started, toy_engine):
    asked = TaskBody("rebuild")
    keep(
        toy_engine,
        Task("a", asked, "running", "2026-01-01", attempts=1),
        Task("b", asked, "waiting", "2026-01-01"),
        Task("c", asked, "running", "2026-01-01", attempts=2),
        Task("d", asked, "done", "2026-01-01", attempts=1),
    )
    tasks = started()
    assert wait_for(tasks, "b").state == "done"
    assert (tasks.get("a").state, tasks.get("a").attempts) == ("done", 2)
    assert tasks.get("c").state == "failed"
    assert "2 times" in tasks.get("c").error
    assert tasks.get("d").attempts == 1
    tasks.stop(20)
    kept = msgspec.json.decode(toy_engine.log.mark(MARK), type=list[Task])
    assert [one.state for one in kept] == ["done", "done", "failed", "done"]


def test_what_cannot_be_kept_is_not_taken(started, toy_engine, monkeypatch):
    tasks = started()

    def full(_name, _value):
        raise StorageError("no space left")

    monkeypatch.setattr(toy_engine.log, "set_mark", full)
    with pytest.raises(StorageError):
        tasks.add(TaskBody("rebuild"))
    assert tasks.every() == []


def test_only_the_newest_are_remembered(started, toy_engine):
    keep(toy_engine, *(Task(f"t{i}", TaskBody("rebuild"), "done", "2026-01-01") for i in range(50)))
    tasks = started()
    added = tasks.add(TaskBody("rebuild"))
    wait_for(tasks, added.id)
    assert len(tasks.every()) == 50
    assert tasks.get("t0") is None
    assert tasks.every()[0].id == added.id
