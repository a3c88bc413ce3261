"""The tools and the resource, asked with the official client in the same process."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import get_args

import pytest
from mcp import MCPError

from penchant import Engine
from penchant.app.mcp.asking import Deed
from penchant.app.mcp.server import words_of
from penchant.app.server.keys import Caller
from penchant.clock import isoformat
from penchant.domain.event import EVENT_TYPES
from penchant.errors import StorageError

TOOLS = ["explain", "forget", "interests", "profile_summary", "recommend", "record_event", "record_statement"]


def test_every_tool_says_what_it_takes_and_gives_and_whether_it_changes_anything(agent):
    tools = sorted(agent.do(lambda client: client.list_tools()).tools, key=lambda tool: tool.name)
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert tool.description, tool.name
        assert "ctx" not in tool.input_schema["properties"], tool.name
        for name, given in tool.input_schema["properties"].items():
            assert given.get("description"), (tool.name, name)
        assert tool.output_schema is not None
        assert tool.output_schema["properties"], tool.name
    changing = {tool.name for tool in tools if not tool.annotations.read_only_hint}
    assert changing == {"record_event", "record_statement", "forget"}
    assert [tool.name for tool in tools if tool.annotations.destructive_hint] == ["forget"]


def test_deeds_are_all_types_but_those_of_the_catalogue_of_consent_and_statements():
    assert set(EVENT_TYPES) - set(get_args(Deed)) == {"item", "user", "topic", "consent", "statement"}
    assert set(get_args(Deed)) < set(EVENT_TYPES)


def test_interests_are_those_of_the_engine(agent, toy_engine, toy):
    found = agent.call("interests", user_id="user-0", n=3)
    known = toy_engine.interests("user-0", 3)
    assert [one["topic"] for one in found["interests"]] == [one.topic for one in known]
    assert found["interests"][0]["probability"] == known[0].probability
    assert found["interests"][0]["evidence"][0]["event_id"] == known[0].evidence[0].event_id
    before = toy.changes["user-0"] - timedelta(hours=1)
    earlier = agent.call("interests", user_id="user-0", at=isoformat(before))
    then = [one.topic for one in toy_engine.interests("user-0", at=before)]
    assert [one["topic"] for one in earlier["interests"]] == then
    assert earlier["at"] == isoformat(before)
    assert agent.call("interests", user_id="nobody")["interests"] == []


def test_a_resource_a_user_tells_the_same_interests(agent):
    (template,) = agent.do(lambda client: client.list_resource_templates()).resource_templates
    assert template.uri_template == "penchant://users/{user_id}/interests"
    uri = template.uri_template.replace("{user_id}", "user-3")
    (content,) = agent.do(lambda client: client.read_resource(uri)).contents
    assert content.mime_type == "application/json"
    assert json.loads(content.text) == agent.call("interests", user_id="user-3")


def test_an_id_in_a_resource_may_look_like_a_path(agent, toy_engine):
    toy_engine.ingest({"type": "like", "user_id": "../a/b", "item_id": "x", "topics": ["tea"]})
    (content,) = agent.do(lambda client: client.read_resource("penchant://users/..%2Fa%2Fb/interests")).contents
    assert json.loads(content.text)["interests"][0]["topic"] == "tea"


@pytest.mark.parametrize("wrong", ["penchant://users/" + 300 * "x" + "/interests", "penchant://users/ann/secrets"])
def test_a_wrong_resource_is_an_error_of_the_protocol(agent, wrong):
    async def read(client):
        with pytest.raises(MCPError) as caught:
            await client.read_resource(wrong)
        return caught.value

    error = agent.do(read)
    assert error.code == -32602
    assert "Traceback" not in error.message


def test_a_list_and_an_explanation(agent, toy_engine):
    found = agent.call("recommend", user_id="user-1", n=3, exclude=["item-1"])["recommendations"]
    known = toy_engine.recommend("user-1", 3, exclude=["item-1"])
    assert [(one["item_id"], one["reason"], one["score"]) for one in found] == [
        (one.item_id, one.reason, one.score) for one in known
    ]
    why = agent.call("explain", user_id="user-1", item_id=found[0]["item_id"])
    assert why["verdict"] == "recommended"
    assert agent.call("explain", user_id="user-1", item_id="never-heard-of")["verdict"] == "unknown_item"
    only = agent.call("recommend", user_id="user-1", strategy="popular", filter='topic = "topic-2"')["recommendations"]
    assert {one["source"] for one in only} == {"popular"}
    assert {int(one["item_id"].removeprefix("item-")) % 5 for one in only} == {2}


def test_what_is_recorded_is_known_at_once_and_once(agent_of, engine):
    agent = agent_of(engine)
    event = {"user_id": "ann", "type": "like", "item_id": "t1", "topics": ["tea"], "event_id": "mine"}
    assert agent.call("record_event", **event) == {"recorded": True, "late": False}
    assert agent.call("record_event", **event) == {"recorded": False, "late": False}
    assert engine.log.count() == 1
    assert agent.call("interests", user_id="ann")["interests"][0]["topic"] == "tea"
    agent.call("record_statement", user_id="ann", topic="coffee", value=0.5)
    agent.call("record_statement", user_id="ann", topic="tea", scope="mute")
    stated = {
        one["topic"]: (one["stated"], one["muted"]) for one in agent.call("interests", user_id="ann")["interests"]
    }
    assert stated == {"coffee": (0.5, False), "tea": (None, True)}


def test_nothing_is_erased_without_confirmation(agent, toy_engine, caplog):
    before = toy_engine.log.count()
    caplog.set_level("INFO", logger="penchant.server")
    assert "confirm=true" in agent.refused("forget", user_id="user-0")
    assert "confirm=true" in agent.refused("forget", user_id="user-0", confirm=False)
    assert toy_engine.log.count() == before
    receipt = agent.call("forget", user_id="user-0", confirm=True)
    assert receipt["erased"] == 40
    (line,) = [record for record in caplog.records if record.message == "audit"]
    assert (line.action, line.events, line.key) == ("forget", 40, "local")
    assert "user-0" not in str(vars(line))
    assert not agent.call("profile_summary", user_id="user-0")["known"]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("recommend", {"user_id": "a", "strategy": "magic"}, "no strategy named 'magic'; known: "),
        ("recommend", {"user_id": "a", "filter": "price <"}, "filter"),
        ("recommend", {"user_id": "a", "n": 0}, "n: Input should be greater than or equal to 1"),
        ("recommend", {"user_id": "a", "n": 101}, "n: Input should be less than or equal to 100"),
        ("recommend", {"user_id": "a", "number": 3}, "recommend has no argument 'number'; known: user_id, n, "),
        ("recommend", {}, "user_id: Field required"),
        ("interests", {"user_id": ""}, "user_id: String should have at least 1 character"),
        ("interests", {"user_id": "a\x00b"}, "NUL"),
        ("interests", {"user_id": "a", "at": "yesterday"}, "not an ISO 8601 time: 'yesterday'"),
        ("profile_summary", {"user_id": "a", "language": "fr"}, "language: Input should be 'en' or 'zh'"),
        ("record_event", {"user_id": "a", "type": "like"}, "no item_id, which like needs"),
        ("record_event", {"user_id": "a", "type": "item", "item_id": "x"}, "type: Input should be 'view', "),
        ("record_event", {"user_id": "a", "type": "view", "item_id": "x", "at": "2999-01-01"}, "at is in the future"),
        ("record_statement", {"user_id": "a", "topic": "tea", "value": 2}, "value: Input should be less than"),
        ("record_statement", {"user_id": "a", "topic": "tea", "until": "soon"}, "until: not an ISO 8601 time"),
        ("cast_spell", {}, "Unknown tool: cast_spell"),
    ],
)
def test_bad_input_is_refused_in_plain_words_and_nothing_is_taken(agent, toy_engine, tool, arguments, said):
    before = toy_engine.log.count()
    assert said in agent.refused(tool, **arguments)
    assert toy_engine.log.count() == before


def test_a_log_that_is_gone_is_told_without_its_name(agent_of, open_engine, sqlite_url):
    engine: Engine = open_engine(sqlite_url)
    agent = agent_of(engine)
    agent.call("record_event", user_id="ann", type="like", item_id="t1")
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("ALTER TABLE event RENAME TO away")
        said = agent.refused("record_event", user_id="ann", type="like", item_id="t2")
        connection.execute("ALTER TABLE away RENAME TO event")
    assert said.startswith("the event log cannot be read or written now")
    assert "log.db" not in words_of(StorageError(f"cannot write {sqlite_url}"))
    assert words_of(RuntimeError("secret")) is None


def test_what_another_process_writes_to_the_file_is_known_at_once(agent_of, open_engine, sqlite_url):
    agent, other = agent_of(open_engine(sqlite_url)), open_engine(sqlite_url)
    assert agent.call("interests", user_id="ann")["interests"] == []
    other.ingest({"type": "like", "user_id": "ann", "item_id": "t1", "topics": ["tea"]})
    assert agent.call("interests", user_id="ann")["interests"][0]["topic"] == "tea"
    assert [one["item_id"] for one in agent.call("recommend", user_id="bob")["recommendations"]] == ["t1"]
    agent.call("record_event", user_id="ann", type="like", item_id="t2", topics=["coffee"])
    other.forget("ann")
    assert agent.call("interests", user_id="ann")["interests"] == []


@pytest.mark.postgres
def test_where_another_process_owns_the_log_it_says_so(agent_of, open_engine, postgres_url):
    open_engine(postgres_url).ingest({"type": "like", "user_id": "ann", "item_id": "t1", "topics": ["tea"]})
    agent = agent_of(open_engine(postgres_url))
    assert agent.call("interests", user_id="ann")["interests"][0]["topic"] == "tea"
    assert agent.refused("record_event", user_id="ann", type="like", item_id="t1").startswith("another process writes")


def test_a_caller_does_what_its_roles_allow_to_its_user(toy_engine, agent_of):
    agent = agent_of(toy_engine, Caller("k", frozenset({"read"}), "user-1"))
    assert agent.call("interests", user_id="user-1")["interests"]
    assert "another user" in agent.refused("interests", user_id="user-2")
    assert "another user" in agent.refused("profile_summary", user_id="user-2")
    assert "'ingest'" in agent.refused("record_event", user_id="user-1", type="like", item_id="item-1")
    assert "'ingest'" in agent.refused("record_statement", user_id="user-1", topic="tea")
    assert "'recommend'" in agent.refused("recommend", user_id="user-1")
    assert "'recommend'" in agent.refused("explain", user_id="user-1", item_id="item-1")
    assert "'admin'" in agent.refused("forget", user_id="user-1", confirm=True)

    async def read(client):
        with pytest.raises(MCPError, match="another user"):
            await client.read_resource("penchant://users/user-2/interests")

    agent.do(read)
