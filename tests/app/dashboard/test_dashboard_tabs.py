"""Every tab shows what the engine says; corrections reach the engine; nothing of a user becomes HTML."""

from __future__ import annotations

import pytest
from nicegui import ui

from penchant.app.dashboard import evaluate
from penchant.app.dashboard.words import WORDS

# NiceGUI leaves sockets and tasks of its simulated client to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::DeprecationWarning")


def test_collect_counts_what_came_and_what_the_user_agrees_to(page):
    async def script(user, service):
        await user.should_see("Events by type", retries=30)
        counts = service.engine.log.count()
        await user.should_see(f"{counts:,}", retries=30)
        await user.should_see("user-3", retries=30)
        first_of(user, "Withdraw").click()
        await user.should_see("Give", retries=30)
        assert [one.given for one in service.engine.consents("user-3")] == [False, True, True, True]

    page.run("tab=collect&user=user-3", script)


def test_collect_shows_a_new_event_by_itself(page):
    async def script(user, service):
        await user.should_see("Newest events", retries=30)
        service.engine.ingest({"type": "view", "user_id": "brand-new", "item_id": "item-1"})
        await user.should_see("brand-new", retries=40)

    page.run("tab=collect", script)


def test_process_counts_sessions_and_items_by_topic(page):
    async def script(user, service):
        service.engine.ingest({"type": "item", "item_id": "bare", "title": "Without a topic"})
        await user.should_see("Topics of items", retries=30)
        await user.should_see("480", retries=30)  # 12 users, 40 events each
        await user.should_see("topic-4", retries=30)
        [chart] = user.find(ui.echart).elements
        assert chart.options["series"][0]["data"] == [8] * 5

    page.run("tab=process", script)


def test_profile_shows_facts_and_forgets_after_the_id_was_typed(page):
    page.service.engine.ingest({"type": "user", "user_id": "user-3", "facts": {"city": "<b>Bremen</b>"}})

    async def script(user, service):
        await user.should_see("<b>Bremen</b>", retries=30)  # as text: labels are escaped
        user.find("Forget this user …").click()
        await user.should_see("Type user-3 to go on.", retries=30)
        user.find("Erase for good").click()
        await user.should_see("That is not the user's id.", retries=30)
        assert service.engine.profile("user-3").known
        field = max(user.find(ui.input).elements, key=lambda one: one.id)
        field.value = "user-3"
        user.find("Erase for good").click()
        await user.should_see("events were erased", retries=30)
        assert not service.engine.profile("user-3").known

    page.run("tab=profile&user=user-3", script)


def test_profile_offers_users_where_none_is_chosen(page):
    async def script(user, service):
        await user.should_see("Choose a user above.", retries=30)
        user.find("user-11").click()
        await user.should_see("Behaviour", retries=30)

    page.run("tab=profile", script)


def test_interests_with_intervals_over_time_and_a_word_that_counts(page):
    engine = page.service.engine
    first = engine.interests("user-3", 1)[0]

    async def script(user, service):
        await user.should_see("Interests of user-3", retries=30)
        await user.should_see(f"{first.interval[0]:.1%} – {first.interval[1]:.1%}", retries=30)
        [chart] = user.find(ui.echart).elements
        assert len(chart.options["series"][0]["data"]) == 12
        assert chart.options["tooltip"]["renderMode"] == "richText"
        first_of(user, "Mute").click()
        await user.should_see("Unmute", retries=30)
        assert [one.topic for one in service.engine.interests("user-3", 15) if one.muted] == [first.topic]

    page.run("tab=interest&user=user-3", script)


def test_a_moment_before_and_one_that_is_none(page):
    early = page.service.engine.interests("user-3", 1, "2026-02-01")[0]

    async def script(user, service):
        await user.should_see(f"{early.interval[0]:.1%} – {early.interval[1]:.1%}", retries=30)
        [field] = [one for one in user.find(ui.input).elements if one.props["label"] == "As of"]
        field.value = "yesterday"
        [interaction] = [user.find(ui.input)]
        interaction.elements = {field}
        interaction.trigger("keydown.enter")
        await user.should_see("at: ", retries=30)

    page.run("tab=interest&user=user-3&at=2026-02-01", script)


def test_evidence_is_shown_on_click(page):
    topic = page.service.engine.interests("user-3", 1)[0]

    async def script(user, service):
        await user.should_see("Interests of user-3", retries=30)
        first_of(user, "Show").click()
        await user.should_see(f"What carries {topic.topic} of user-3", retries=30)
        await user.should_see(topic.evidence[0].event_id, retries=30)

    page.run("tab=interest&user=user-3", script)


def test_recommend_shows_sources_says_why_not_and_what_if(page):
    slate = page.service.engine.recommend("user-3", 10)

    async def script(user, service):
        await user.should_see(slate[0].reason, retries=30)
        fields = {one.props["label"]: one for one in user.find(ui.input).elements}
        fields["item id"].value = "no-such-item"
        user.find("Explain").click()
        await user.should_see("nobody knows this item", retries=30)
        fields["without items"].value = slate[0].item_id
        fields["context (JSON)"].value = "{nonsense"
        user.find("Ask").click()
        await user.should_see("the context is no JSON", retries=30)
        fields["context (JSON)"].value = '{"device": "phone"}'
        user.find("Ask").click()
        await user.should_see("2 ↑", retries=30)  # the second is the first now

    page.run("tab=recommend&user=user-3", script)


def test_evaluate_loads_a_report_and_refuses_what_is_none(page):
    report = evaluate_report(page.service.engine)

    async def script(user, service):
        await user.should_see("Load a report", retries=30)
        [upload] = user.find(ui.upload).elements
        await upload.handle_uploads([small("notes.json", b'{"a": 1}')])
        await user.should_see("not an evaluation report", retries=30)
        await upload.handle_uploads([small("report.json", report.to_json().encode())])
        await user.should_see("Report on toy", retries=30)
        await user.should_see("popular", retries=30)
        shown = report.models[0].metrics["ndcg@10"]
        await user.should_see(evaluate.figure(shown), retries=30)

    page.run("tab=evaluate", script)


def test_fit_is_begun_and_watched(page):
    async def script(user, service):
        await user.should_see("Nothing was asked for yet.", retries=30)
        user.find("Fit the models").click()
        await user.should_see("tracker", retries=200)
        assert service.tasks.every()[0].state == "done"

    page.run("tab=evaluate", script)


def test_chinese_and_a_name_that_would_be_html(page):
    page.service.engine.ingest({"type": "view", "user_id": "<img src=x>", "item_id": "item-1", "topics": ["<s>"]})

    async def script(user, service):
        await user.should_see("各类型的事件", retries=30)
        await user.should_see("<img src=x>", retries=30)

    page.run("tab=collect&lang=zh", script)


def test_every_word_is_there_twice():
    for key, texts in WORDS.items():
        assert all(texts), key
        assert texts[0].count("{") == texts[1].count("{"), key


def first_of(user, words):
    """Return the first of the buttons with these words."""
    found = user.find(content=words, kind=ui.button)
    found.elements = {min((one for one in found.elements if one.text == words), key=lambda one: one.id)}
    return found


def small(name, content):
    return ui.upload.SmallFileUpload(name, "application/json", content)


def evaluate_report(engine):
    from penchant import Engine
    from penchant.loop.evaluating import Evaluation

    def empty():
        return Engine(engine.settings.model_copy(update={"url": "memory"}))

    evaluation = Evaluation("toy", engine.ledger.events(), empty, 0, lambda *_: None)
    return evaluation.ranking(test=0.2, max_users=None, models=[])
