from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.errors import ConfigError
from penchant.recommend.onboarding import (
    Crowd,
    OnboardingConfig,
    asked_about,
    choose_questions,
    likes,
    taste_of,
    worth,
)
from penchant.testing import toy_log


def crowd(tastes, yes, noise=1e-9):
    return Crowd.of(np.array(tastes, dtype=float), np.array(yes, dtype=bool), noise)


TWO_KINDS = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]


def test_the_gain_by_hand():
    # Question 0 tells the two kinds apart: one bit. Question 1 tells nothing. Question 2 knows one of four: with yes
    # (1/4) it is certain, with no it is 1/3 against 2/3: 1 - 3/4 * 0.9183 = 0.3113.
    people = crowd(TWO_KINDS, [[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    gain, yes = people.gains(people.weights([]))
    assert gain == pytest.approx([1.0, 0.0, 0.3113], abs=1e-4)
    assert yes == pytest.approx([0.5, 0.5, 0.25])


def test_a_noisy_answer_tells_less():
    people = crowd(TWO_KINDS, [[1], [1], [0], [0]], noise=0.1)
    gain, _ = people.gains(people.weights([]))
    assert gain == pytest.approx([1.0 - 0.469], abs=1e-3)  # the capacity of a channel that errs one time in ten


def test_the_gain_is_that_of_the_plain_formula():
    rng = np.random.default_rng(0)
    tastes, yes = rng.dirichlet(np.ones(4), size=20), rng.random((20, 6)) < 0.4
    people = Crowd.of(tastes, yes, 0.2)
    weight = people.weights([(3, True), (1, False)])
    gain, _ = people.gains(weight)

    def entropy(p):
        return -(p * np.log2(p)).sum()

    for question in range(6):
        p = people.yes[:, question] * weight
        q = (1 - people.yes[:, question]) * weight
        after = p.sum() * entropy(p @ tastes / p.sum()) + q.sum() * entropy(q @ tastes / q.sum())
        assert gain[question] == pytest.approx(entropy(weight @ tastes) - after)


def test_questions_in_a_given_order():
    people = crowd(TWO_KINDS, [[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]], noise=0.1)
    asked = choose_questions(people, 3, [(2, True)], order=np.array([1, 2, 0]))
    assert [question for question, _, _ in asked] == [1, 0]


def test_what_is_popular_may_come_first(open_engine, toy):
    engine = open_engine(components={"onboarding": {"criterion": "popular"}})
    engine.ingest(toy.events)
    counted = engine.ledger.population("topic_population", engine.now(), 1e9)
    questions = [one.id for one in engine.onboarding(5)]
    assert questions == sorted(questions, key=lambda topic: -counted[engine.ledger.topics.number(topic)])
    assert engine.onboarding(1, answers={questions[0]: False})[0].id == questions[1]


def test_answers_weigh_people():
    people = crowd(TWO_KINDS, [[1, 1], [1, 0], [0, 1], [0, 0]], noise=0.2)
    # yes, no: person 1 agrees twice (0.64), 0 and 3 once (0.16), 2 never (0.04).
    assert people.weights([(0, True), (1, False)]) == pytest.approx(np.array([0.16, 0.64, 0.04, 0.16]))
    assert people.weights([]) == pytest.approx(np.full(4, 0.25))


def test_the_second_question_adds_to_the_first():
    # Questions 0 and 1 are the same; together with 2 all four kinds are told apart.
    tastes = np.eye(4)
    people = crowd(tastes, [[1, 1, 1], [1, 1, 0], [0, 0, 1], [0, 0, 0]], noise=0.01)
    chosen = choose_questions(people, 3)
    assert [question for question, _, _ in chosen] == [0, 2, 1]
    bits = [bits for _, bits, _ in chosen]
    assert bits[1] > 0.9
    assert bits[2] < 0.1  # what has been asked in other words tells little


def test_what_was_answered_is_not_asked_again():
    people = crowd(TWO_KINDS, [[1, 1], [1, 0], [0, 1], [0, 0]], noise=0.1)
    assert [question for question, _, _ in choose_questions(people, 5, [(0, True)])] == [1]
    assert choose_questions(people, 5, [(0, True), (1, True)]) == []


def test_nobody_to_learn_from():
    nobody = Crowd.of(np.empty((0, 3)), np.empty((0, 0), dtype=bool), 0.1)
    assert choose_questions(nobody, 3) == []


def test_tastes_and_likes_by_hand():
    counts = np.array([[8.0, 2.0, 0.0], [0.0, 2.0, 8.0]])
    assert taste_of(counts, 10.0) == pytest.approx(np.array([[12, 4, 4], [4, 4, 12]]) / 20)
    assert likes(counts).tolist() == [[True, False, False], [False, False, True]]
    assert likes(np.array([[1.0, 0.0], [5.0, 5.0]])).tolist() == [[False, False], [False, True]]  # once is no liking
    assert asked_about(np.array([[1, 0, 1], [1, 0, 0]], dtype=bool), 5).tolist() == [0, 2]


def test_what_an_answer_is_worth_by_hand():
    taste = np.array([[0.6, 0.4, 0.0], [0.2, 0.4, 0.4]])
    yes, no = worth(taste, np.array([[1, 1, 0], [0, 1, 0]], dtype=bool))
    # E(p) is 0.4, 0.4, 0.2. Who likes topic 0 gives it 0.6, more than the strongest; who does not, 0.2 of 0.4.
    assert yes == pytest.approx(np.array([1.0, 1.0, 1.0]))  # nobody likes topic 2: 1
    assert no == pytest.approx(np.array([-0.5, -1.0, -1.0]))
    assert worth(np.array([[0.8, 0.2], [1.0, 0.0]]), np.array([[1, 1], [1, 0]], dtype=bool))[0][1] == pytest.approx(
        0.2 / 0.9
    )


def test_a_statement_puts_the_topic_where_it_stands_with_people_who_answer_so(open_engine):
    toy = toy_log(n_users=60)
    engine = open_engine()
    engine.ingest(toy.events)
    engine.answer("new", {"topic-1": True, "topic-4": False})
    said = {one.topic: one.stated for one in engine.interests("new")}
    assert 0 < said["topic-1"] <= 1
    assert -1 < said["topic-4"] < 0


# -- Through the engine ------------------------------------------------------------------------------------------------


def test_topics_are_asked_about(toy_engine):
    questions = toy_engine.onboarding(3)
    assert len(questions) == 3
    assert {one.kind for one in questions} == {"topic"}
    assert all(one.gain_bits > 0 for one in questions)
    assert all(0 < one.yes < 1 for one in questions)


def test_the_next_question_depends_on_the_answers(toy_engine):
    first = toy_engine.onboarding(1)[0]
    for answer in (True, False):
        later = toy_engine.onboarding(5, answers={first.id: answer})
        assert first.id not in [one.id for one in later]
    assert toy_engine.onboarding(5, answers={first.id: True}) != toy_engine.onboarding(5, answers={first.id: False})


def test_items_are_asked_about_by_their_titles(toy_engine):
    question = toy_engine.onboarding(1, kind="item")[0]
    assert (question.kind, question.text) == ("item", f"Item {question.id.removeprefix('item-')}")


def test_a_topic_is_asked_about_by_its_title(toy_engine):
    toy_engine.ingest(
        [{"type": "topic", "topics": [f"topic-{i}"], "title": f"Topic {i}", "at": "2026-01-01"} for i in range(5)]
    )
    assert all(one.text == one.id.replace("topic-", "Topic ") for one in toy_engine.onboarding(5))


def test_answers_change_the_list_at_once(toy_engine):
    def topics():
        return [toy_engine.item(one.item_id).topics[0] for one in toy_engine.recommend("new", 8)]

    before = topics()
    assert toy_engine.answer("new", {"topic-3": True, "topic-1": False}).accepted == 2
    assert before.index("topic-1") < 3
    assert "topic-1" not in topics()[:3]
    assert topics().index("topic-3") < before.index("topic-3")
    assert "You said that you like topic-3" in [one.reason for one in toy_engine.recommend("new", 8)]


def test_an_item_that_is_taken_is_a_like_and_a_no_is_nothing(toy_engine):
    assert toy_engine.answer("new", {"item-3": True, "item-4": False}, kind="item").accepted == 1
    assert dict(toy_engine.profile("new").behaviour.n_by_type) == {"like": 1}


def test_nothing_after_the_moment_is_known(toy, open_engine):
    early, whole = open_engine(), open_engine()
    middle = "2026-02-20T00:00:00Z"
    early.ingest([one for one in toy.events if one["at"] < middle])
    whole.ingest(toy.events)
    assert all(one.gain_bits >= 0 for one in whole.onboarding(3, at=middle))
    assert whole.onboarding(3, at="2025-01-01") == []
    assert early.onboarding(3, at=middle)


def test_an_empty_engine_has_no_questions(engine):
    assert engine.onboarding() == []
    assert engine.onboarding(kind="item") == []
    assert engine.recommend("anybody") == []
    assert engine.interests("anybody") == []
    assert engine.explain("anybody", "anything").verdict == "unknown_item"


def test_the_first_item_of_an_empty_engine_can_be_recommended(engine):
    engine.ingest({"type": "item", "item_id": "tea", "topics": ["drinks"], "at": "2026-01-01"})
    assert [one.item_id for one in engine.recommend("anybody")] == ["tea"]


def test_a_new_item_is_recommendable_at_once(toy_engine):
    toy_engine.recommend("user-3")
    toy_engine.ingest({"type": "item", "item_id": "fresh", "title": "Fresh", "topics": ["topic-2"]})
    for strategy in ("new", "interest", None):
        assert "fresh" in [one.item_id for one in toy_engine.recommend("user-3", 60, strategy=strategy)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n": 0}, "n is 0"),
        ({"kind": "user"}, "kind 'topic' or 'item'"),
        ({"answers": {"topic-99": True}}, "no topic 'topic-99' is known"),
    ],
)
def test_a_wrong_question_is_refused(toy_engine, given, words):
    with pytest.raises(ConfigError, match=words):
        toy_engine.onboarding(**given)


def test_answers_of_a_wrong_kind_are_refused(toy_engine):
    with pytest.raises(ConfigError, match="'topic' or 'item'"):
        toy_engine.answer("new", {"x": True}, kind="user")


@pytest.mark.parametrize("wrong", [{"noise": 0.5}, {"people": 1}, {"branches": 0}, {"asked": 3}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        OnboardingConfig(**wrong)
