from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_target import LogTarget
from typer.testing import CliRunner

from penchant import Engine
from penchant.app.cli import app
from penchant.clock import fixed
from penchant.collect.datasets import open_dataset
from penchant.collect.importer import CollectReport, collect
from penchant.collect.quarantine import Quarantine
from penchant.collect.questionnaire import Questionnaire
from penchant.collect.sources import survey
from penchant.collect.survey_form import survey_form
from penchant.domain.batch import EventBatch
from penchant.errors import ConfigError, SourceError

quick = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

TOML = """
name = "onboarding"
version = "2"
title = "Tell us <what> you like"
about = "Two minutes & you are done."

[[questions]]
id = "tea"
text = "I like tea"
section = "Drinks"
topics = "tea"
required = true
low_text = "not at all"
high_text = "very much"

[[questions]]
id = "coffee"
text = "I avoid coffee"
section = "Drinks"
topics = ["coffee", "espresso"]
reverse = true

[[questions]]
id = "sport"
text = "Which sports?"
kind = "choices"
choices = [
    { value = "run", text = "Running", topics = "running" },
    { value = "swim", topics = "swimming", strength = 0.5 },
    "none",
]

[[questions]]
id = "pet"
text = "Your pet"
kind = "choice"
choices = ["cat", "dog"]
fact = "pet"

[[questions]]
id = "age"
text = "Your age"
kind = "number"
low = 0
high = 120
fact = "age"
help = "In years."

[[questions]]
id = "garden"
text = "Do you have a garden?"
kind = "yes_no"
topics = "gardening"

[[questions]]
id = "words"
text = "Anything else?"
kind = "text"

[[questions]]
id = "ok"
text = "Use my answers to recommend to me"
kind = "consent"
purpose = "personalise"
"""
ASKED = Questionnaire.parse(TOML)


def said(answers: dict[str, Any]) -> dict[str, float]:
    events, wrong = ASKED.events("ann", answers, "2025-01-01")
    assert wrong == []
    return {event["topics"][0]: event["value"] for event in events if event["type"] == "statement"}


@pytest.mark.parametrize(
    ("answers", "statements"),
    [
        ({"tea": 5}, {"tea": 1.0}),
        ({"tea": "1"}, {"tea": -1.0}),
        ({"tea": 3}, {"tea": 0.0}),
        ({"tea": 4.0}, {"tea": 0.5}),
        ({"coffee": 5}, {"coffee": -1.0, "espresso": -1.0}),
        ({"sport": ["run", "swim", "run"]}, {"running": 1.0, "swimming": 0.5}),
        ({"sport": "run|swim"}, {"running": 1.0, "swimming": 0.5}),
        ({"sport": ["none"]}, {}),
        ({"garden": True}, {"gardening": 1.0}),
        ({"garden": "No"}, {"gardening": -1.0}),
        ({"tea": None, "coffee": "", "sport": []}, {}),
    ],
)
def test_answers_become_statements(answers: dict[str, Any], statements: dict[str, float]) -> None:
    assert said(answers) == statements


def test_answers_become_facts_and_consents_and_are_kept_themselves() -> None:
    events, wrong = ASKED.events("ann", {"pet": "cat", "age": 31, "ok": "yes", "words": "hi"}, "2025-01-01")
    assert wrong == []
    by_type = {event["type"]: event for event in events}
    assert by_type["user"]["facts"] == {"pet": "cat", "age": 31}
    assert (by_type["consent"]["purpose"], by_type["consent"]["value"]) == ("personalise", 1.0)
    assert by_type["consent"]["context"] == {"version": "2", "evidence": "survey onboarding 2, ok"}
    answers = {
        event["context"]["question"]: (event["value"], event["text"]) for event in events if event["type"] == "survey"
    }
    assert answers == {"pet": (None, "cat"), "age": (31.0, None), "ok": (1.0, None), "words": (None, "hi")}


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"tea": 6}, "tea: 6 is not from 1 to 5"),
        ({"tea": 2.5}, "tea: 2.5 is not a whole number"),
        ({"tea": "much"}, "tea: 'much' is not a number"),
        ({"tea": True}, "tea: 'True' is not a number"),
        ({"tea": float("nan")}, "tea: 'nan' is not a number"),
        ({"tea": [5]}, "tea: '[5]' is not a number"),
        ({"age": 121}, "age: 121 is not from 0 to 120"),
        ({"pet": "fish"}, "pet: 'fish' is not offered; there is: cat, dog"),
        ({"pet": ["cat", "dog"]}, "pet: 2 answers; one can be chosen"),
        ({"garden": "maybe"}, "garden: 'maybe' is neither yes nor no"),
        ({"words": 5}, "words: not a text of at most 10,000 characters"),
        ({"colour": 5}, "there is no question 'colour'"),
    ],
)
def test_answers_that_are_none_are_refused_with_the_reason(answers: dict[str, Any], problem: str) -> None:
    events, wrong = ASKED.events("ann", answers, "2025-01-01")
    assert (events, wrong) == ([], [problem])


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("name = 'x'", "questions"),
        ("name = 'x'\nquestions = []", "questions"),
        (
            "name = 'x'\n[[questions]]\nid='a'\ntext='A'\n[[questions]]\nid='a'\ntext='B'",
            "two questions have the id 'a'",
        ),
        ("name = 'x'\n[[questions]]\nid='a'\ntext='A'\nkind='choice'\nchoices=['b']", "at least two choices"),
        ("name = 'x'\n[[questions]]\nid='a'\ntext='A'\nkind='choice'\nchoices=['b','b']", "each once"),
        ("name = 'x'\n[[questions]]\nid='a'\ntext='A'\nlow=5\nhigh=1", "low must be less"),
        (
            "name = 'x'\n[[questions]]\nid='a'\ntext='A'\nkind='consent'",
            "consent and purpose go together; purposes: collect",
        ),
        ("name = 'x'\n[[questions]]\nid='a'\ntext='A'\nkind='text'\ntopics='a'", "topics go with scale and yes_no"),
        ("name = 'x'\n[[questions]]\nid='a'\ntext='A'\nchoices=['b','c']", "only choice and choices"),
        ("name = ", "is not TOML"),
    ],
)
def test_a_wrong_questionnaire_is_refused(toml: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "asked.toml"
    path.write_text(toml)
    with pytest.raises(ConfigError, match=r"asked.toml") as caught:
        Questionnaire.read(path)
    assert problem in str(caught.value)
    with pytest.raises(SourceError, match="cannot read the questionnaire"):
        Questionnaire.read(tmp_path / "none.toml")


# -- files of answers


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "asked.toml"
    path.write_text(TOML)
    return path


def load(path: Path, target: Any, **options: Any) -> CollectReport:
    with Quarantine(path.parent / "quarantine.jsonl") as quarantine:
        report = collect(open_dataset("survey", path, options=options), target, quarantine)
    assert report.read == report.accepted + report.duplicates + report.refused + report.skipped
    return report


def test_the_young_people_survey(data: Path, tmp_path: Path) -> None:
    with gzip.open(data / "young_people_survey" / "responses.csv.gz", "rt", newline="") as lines:
        (tmp_path / "responses.csv").write_text("".join(list(lines)[:101]))
    source = open_dataset(tmp_path)
    assert source.name == "young_people_survey"
    with Engine.open(clock=fixed("2013-01-02")) as engine, Quarantine() as quarantine:
        report = collect(source, engine, quarantine)
        assert (report.refused, report.skipped, report.duplicates) == (0, 0, 0)
        events = engine.ledger.events()
        assert events["user_id"].n_unique() == 100
        assert set(events["type"]) == {"survey", "statement", "user"}
        batch = EventBatch.from_frame(events, engine.ledger.items, engine.ledger.topics)
        assert len(batch.topics) == 62
        person = engine.profile("young_people-2")  # the first line after the names of the columns
        assert person.facts["age"].value == 20
        stated = {one.topic: one.stated for one in engine.interests("young_people-2", n=100)}
        assert stated["music: pop"] == pytest.approx(1.0, abs=0.01)
        assert stated["music: rock"] == pytest.approx(1.0, abs=0.01)
        assert stated["music: opera"] == pytest.approx(-1.0, abs=0.01)


def test_a_table_of_answers(asked: Path, tmp_path: Path, target: LogTarget) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(
        "who,when,tea,pet,What sports\nann,2025-01-02,5,cat,run|swim\nbob,2025-01-02,9,,\n"
        ",2025-01-02,1,,\ncid,soon,1,,\n"
    )
    report = load(
        path, target, questionnaire=str(asked), user="who", at_column="when", columns={"sport": "What sports"}
    )
    # ann: 3 answers, 3 statements, 1 fact; bob: an answer beyond the scale.
    assert (report.accepted, report.refused) == (7, 3)
    assert report.reasons == {"tea: 9 is not from 1 to 5": 1, "no user": 1, "the time cannot be read": 1}
    assert load(path, target, questionnaire=str(asked), user="who", at_column="when").duplicates > 0


def test_what_a_form_sent(asked: Path, tmp_path: Path, target: LogTarget) -> None:
    sent = [
        {
            "questionnaire": "onboarding", "version": "2", "user_id": "ann", "at": "2025-01-02T10:00:00.000Z",
            "answers": {"tea": 5, "sport": ["run"]},
        },
        {"questionnaire": "another", "user_id": "ann", "at": "2025-01-02", "answers": {"tea": 5}},
        {"user_id": "ann", "at": "2025-01-02"},
        {"user_id": "ann", "at": "2025-01-02", "answers": "[]"},
        {"user_id": 7, "at": 1735812000, "answers": {"tea": 1}},
    ]  # fmt: skip
    path = tmp_path / "sent.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in sent) + "{oh\n")
    report = load(path, target, questionnaire=str(asked))
    assert (report.accepted, report.refused) == (6, 4)
    assert set(target.rows()["user_id"]) == {"ann", "7"}
    assert load(path, target, questionnaire=str(asked)).read == 0


def test_users_may_be_hidden(asked: Path, tmp_path: Path, target: LogTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENCHANT_USER_KEY", "a key that is long enough")
    path = tmp_path / "answers.csv"
    path.write_text("who,tea\nann@example,5\n")
    load(path, target, questionnaire=str(asked), user="who", at="2025-01-01", hide=True)
    (user,) = set(target.rows()["user_id"])
    assert len(user) == 24


def test_sheets_are_read_again_from_where_an_import_stopped(
    asked: Path, tmp_path: Path, target: LogTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "_ROWS", 5)
    monkeypatch.setattr("penchant.collect.sources.delimited.CHUNK_ROWS", 7)
    monkeypatch.setattr("penchant.collect.sources.lines._BLOCK", 32)
    path = tmp_path / "answers.csv"
    path.write_text("who,tea,coffee\n" + "".join(f"u{i},{i % 5 + 1},{i % 7}\n" for i in range(18)))
    options = {"questionnaire": str(asked), "user": "who", "at": "2025-01-01"}
    whole = LogTarget()
    load(path, whole, **options)
    ingest, calls = target.ingest, iter(range(1000))

    def breaks(*args: Any, **kwargs: Any) -> Any:
        if next(calls) in (3, 9, 15, 16, 22):
            raise KeyboardInterrupt
        return ingest(*args, **kwargs)

    target.ingest = breaks  # type: ignore[method-assign]
    for _ in range(6):
        try:
            load(path, target, **options)
            break
        except KeyboardInterrupt:
            continue
    assert target.rows()["event_id"].sort().to_list() == whole.rows()["event_id"].sort().to_list()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "say when it was answered"),
        ({"at": "2025-01-01", "at_column": "when"}, "say when it was answered"),
        ({"at": "2025-01-01", "user": "nobody"}, "no column 'nobody'"),
        ({"at": "soon"}, "not an ISO 8601 time"),
        ({"at": "2025-01-01", "colour": 1}, "known options: hide"),
    ],
)
def test_wrong_options(asked: Path, tmp_path: Path, target: LogTarget, options: dict[str, Any], problem: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("who,tea\nann,5\n")
    with pytest.raises((ConfigError, SourceError)) as caught:
        load(path, target, questionnaire=str(asked), **options)
    assert problem in str(caught.value)


def test_a_table_without_any_question_is_refused(asked: Path, tmp_path: Path, target: LogTarget) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("who,milk\nann,5\n")
    with pytest.raises(SourceError, match="no column named like a question of onboarding"):
        load(path, target, questionnaire=str(asked), at="2025-01-01")


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.lists(st.text(max_size=5), max_size=3)
)


@quick
@given(answers=st.dictionaries(st.sampled_from(["tea", "sport", "pet", "age", "garden", "words", "ok", "x"]), values))
def test_any_answers_are_taken_or_refused(answers: dict[str, Any]) -> None:
    with Engine.open(clock=fixed("2025-06-01")) as engine:
        receipt = engine.answer_survey("ann", ASKED, answers, "2025-01-01")
        events, wrong = ASKED.events("ann", answers, "2025-01-01")
        assert receipt.total == len(events) + len(wrong)
        assert all("NUL" in reason or reason in wrong for reason in receipt.reasons)


# -- the form


class Page(HTMLParser):
    """What a page has, as far as it can be checked without looking."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def page_of(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def test_every_field_of_the_form_has_a_label_and_every_group_a_legend() -> None:
    page = page_of(survey_form(ASKED, "https://api.example/answers"))
    fields = page.all("input", "textarea")
    ids = [field["id"] for field in fields]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= {label["for"] for label in page.all("label")}
    groups = {field["name"] for field in fields if field.get("type") in ("radio", "checkbox")}
    assert len(page.all("legend")) == len(groups)
    assert page.all("html") == [{"lang": "en"}]
    assert any(one.get("aria-live") == "polite" and one.get("role") == "status" for one in page.all("p"))
    described = [one["aria-describedby"] for tag, one in page.tags if "aria-describedby" in one]
    assert set(described) <= {one.get("id") for _, one in page.tags}
    assert page.all("h1", "h2")
    assert {"Tell us <what> you like", "Two minutes & you are done.", "Drinks"} <= set(page.texts)
    asked = {field["data-question"] for field in fields if "data-question" in field}
    assert asked == {question.id for question in ASKED.questions}
    assert all("required" in field for field in fields if field.get("data-question") == "tea")


def test_the_form_fetches_nothing_and_sends_only_to_one_address() -> None:
    text = survey_form(ASKED, "https://api.example/answers?x=1&y=2", "ann")
    page = page_of(text)
    assert page.all("form")[0]["action"] == "https://api.example/answers?x=1&y=2"
    assert not [one for _, one in page.tags if "src" in one or "href" in one]
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "connect-src https://api.example;" in policy
    assert not [one for one in page.all("input") if one.get("id") == "user-id"]


@pytest.mark.parametrize(
    "post_to", ["javascript:alert(1)", "ftp://x/y", "answers", "//evil.example/x", "https://", "https://a;b/x"]
)
def test_answers_go_only_where_answers_can_go(post_to: str) -> None:
    with pytest.raises(ConfigError, match="post_to is"):
        survey_form(ASKED, post_to)


def test_no_text_of_a_questionnaire_breaks_out() -> None:
    evil = "</script><script>alert(1)</script>\"'<img src=x>"
    asked = ASKED.model_copy(
        update={
            "title": evil, "about": evil, "name": evil, "language": evil,
            "questions": tuple(one.model_copy(update={"text": evil, "help": evil, "section": evil}) for one in ASKED.questions),
        }
    )  # fmt: skip
    page = page_of(survey_form(asked, "/answers", evil))
    assert len(page.all("script")) == 2
    assert not page.all("img")


def test_the_form_speaks_chinese() -> None:
    text = survey_form(ASKED.model_copy(update={"language": "zh-CN"}), "/answers")
    assert "提交" in text
    assert '<html lang="zh-CN">' in text


STUB = """
const listeners = {};
const field = (data, more) => ({ dataset: data, value: "", ...more });
const fields = [
  field({ question: "tea", kind: "scale" }, { type: "radio", checked: false, value: "1" }),
  field({ question: "tea", kind: "scale" }, { type: "radio", checked: true, value: "5" }),
  field({ question: "sport", kind: "choices" }, { type: "checkbox", checked: true, value: "run" }),
  field({ question: "sport", kind: "choices" }, { type: "checkbox", checked: true, value: "swim" }),
  field({ question: "age", kind: "number" }, { type: "number", value: "31" }),
  field({ question: "words", kind: "text" }, { type: "textarea", value: " " }),
];
const shown = { textContent: "", focus() {} }, button = {};
const page = {
  action: "/answers", elements: { namedItem: () => ({ value: " ann " }) },
  querySelectorAll: () => fields, querySelector: () => button,
  addEventListener: (name, what) => { listeners[name] = what; },
};
globalThis.document = {
  querySelector: () => page,
  getElementById: (id) => id === "said" ? shown : { textContent: process.argv[2] },
};
let fail = true;
globalThis.fetch = async (url, sent) => {
  if (fail) { fail = false; throw new Error("offline"); }
  console.log(JSON.stringify({ url, ...sent, body: JSON.parse(sent.body), before: shown.textContent }));
  return { ok: true };
};
"""
RUN = """
(async () => {
  const event = { preventDefault() {} };
  await listeners.submit(event);
  if (!shown.textContent.includes("offline") || button.disabled) throw new Error("nothing said");
  await listeners.submit(event);
  if (!shown.textContent.startsWith("Thank you") || !button.disabled) throw new Error("no thanks");
})();
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to run the form's script")
def test_the_script_sends_what_the_reader_reads(asked: Path, tmp_path: Path, target: LogTarget) -> None:
    text = survey_form(ASKED, "/answers")
    told = text.split('id="told">')[1].split("</script>")[0]
    script = text.rsplit("<script>", 1)[1].split("</script>")[0]
    path = tmp_path / "form.cjs"
    path.write_text(f"{STUB}\n{{ {script} }}\n{RUN}")
    done = subprocess.run(["node", str(path), told], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603, S607
    sent = json.loads(done.stdout)
    assert (sent["url"], sent["method"], sent["headers"]) == ("/answers", "POST", {"Content-Type": "application/json"})
    assert sent["body"]["answers"] == {"tea": 5, "sport": ["run", "swim"], "age": 31}
    (tmp_path / "sent.jsonl").write_text(json.dumps(sent["body"]) + "\n")
    assert sent["body"]["user_id"] == "ann"
    sent["body"]["at"] = "2025-01-01T00:00:00.000Z"
    (tmp_path / "sent.jsonl").write_text(json.dumps(sent["body"]) + "\n")
    assert load(tmp_path / "sent.jsonl", target, questionnaire=str(asked)).refused == 0


# -- command line and engine


def test_answers_from_the_command_line(asked: Path, tmp_path: Path) -> None:
    run = CliRunner()
    db = f"sqlite:///{tmp_path}/log.db"
    done = run.invoke(app, ["profile", "answer", "ann", str(asked), "tea=5", "pet=cat", "--db", db, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["accepted"] == 4
    shown = run.invoke(app, ["profile", "show", "ann", "--db", db, "--json"])
    assert json.loads(shown.stdout)["facts"]["pet"]["value"] == "cat"
    page = tmp_path / "form.html"
    done = run.invoke(app, ["profile", "survey", str(asked), "--post-to", "/answers", "--html", str(page)])
    assert done.exit_code == 0, done.output
    page_of(page.read_text())


def test_onboarding_makes_a_new_user_known(clock_engine: Callable[[], Engine]) -> None:
    engine = clock_engine()
    engine.ingest([
        {"type": "item", "item_id": "t1", "topics": ["tea"], "at": "2025-01-01"},
        {"type": "item", "item_id": "c1", "topics": ["coffee"], "at": "2025-01-01"},
    ])  # fmt: skip
    engine.answer_survey("ann", ASKED, {"tea": 5, "coffee": 5})
    assert engine.recommend("ann", n=1)[0].item_id == "t1"
