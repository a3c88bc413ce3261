"""Metrics against hand-worked answers, scikit-learn, ranx and plain loops."""

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import metrics as sklearn_metrics

from penchant.evaluate.metrics import accuracy, beyond, probability, ranking, rating
from penchant.evaluate.metrics.evidence import RankingEvidence

N_QUERIES, N_ITEMS, N_TOPICS, LENGTH = 60, 40, 6, 15
CUTS = (1, 3, 10, 15)


def make_answer(rng, length=LENGTH):
    """Return random evidence with short lists, more relevant items than places, and items without topics."""
    lists = [rng.permutation(N_ITEMS)[: rng.integers(length // 2, length + 1)] for _ in range(N_QUERIES)]
    relevant = [rng.choice(N_ITEMS, size=rng.integers(1, 20), replace=False) for _ in range(N_QUERIES)]
    times_seen = rng.integers(0, 30, size=N_ITEMS) * (rng.random(N_ITEMS) < 0.8)
    topics = csr_array((rng.random((N_ITEMS, N_TOPICS)) < 0.25).astype(np.float64))
    evidence = RankingEvidence.from_lists(lists, relevant, N_ITEMS, times_seen / times_seen.sum(), topics)
    return evidence, lists, relevant


@pytest.fixture(scope="module")
def answer():
    return make_answer(np.random.default_rng(5))


@pytest.fixture(scope="module")
def peer(answer):
    """Return ``(name, n) -> one value a query`` as ranx scores the same lists."""
    import ranx

    _, lists, relevant = answer
    qrels = ranx.Qrels({f"q{q:03}": {f"i{i}": 1 for i in rows} for q, rows in enumerate(relevant)})
    run = ranx.Run(
        {f"q{q:03}": {f"i{i}": float(N_ITEMS - r) for r, i in enumerate(rows)} for q, rows in enumerate(lists)}
    )
    asked = list(itertools.product(("precision", "recall", "f1", "hit_rate", "mrr", "ndcg", "map"), CUTS))
    with warnings.catch_warnings():
        # Its kernels cast unsigned to signed integers while they compile.
        warnings.filterwarnings("ignore", message="unsafe cast from uint64 to int64")
        found = ranx.evaluate(qrels, run, [f"{name}@{n}" for name, n in asked], return_mean=False)
    return {(name, n): found[f"{name}@{n}"] for name, n in asked}


def labels(lists, relevant, n):
    """Return, for each query, which items are relevant and which are among the first n."""
    for rows, wanted in zip(lists, relevant, strict=True):
        yield np.isin(np.arange(N_ITEMS), wanted), np.isin(np.arange(N_ITEMS), rows[:n])


# Known answers: catalogue of 5, list 3 1 4 (then nothing), relevant 1, 4 and 0. Ranks 2 and 3 hit.
HAND = RankingEvidence.from_lists(
    [np.array([3, 1, 4])], [np.array([1, 4, 0])], 5, np.array([0.0, 0.5, 0.25, 0.125, 0.125])
)
DISCOUNT = [1 / math.log2(rank + 1) for rank in (1, 2, 3)]


@pytest.mark.parametrize(
    ("metric", "n", "expected"),
    [
        (accuracy.precision, 2, 1 / 2),
        (accuracy.precision, 10, 2 / 10),  # a short list is filled up with misses
        (accuracy.recall, 2, 1 / 3),
        (accuracy.f1, 2, 2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3)),
        (accuracy.hit_rate, 1, 0.0),
        (accuracy.hit_rate, 2, 1.0),
        (accuracy.accuracy, 2, 2 / 5),  # right: 1 listed, 2 left out; wrong: 3 listed, 4 and 0 left out
        (accuracy.accuracy, 10, 3 / 5),  # right: 1, 4, 2; wrong: 3, 0
        (ranking.ndcg, 2, DISCOUNT[1] / (DISCOUNT[0] + DISCOUNT[1])),  # the ideal list of 2 has 2 hits
        (ranking.ndcg, 3, (DISCOUNT[1] + DISCOUNT[2]) / sum(DISCOUNT)),
        (ranking.ndcg, 10, (DISCOUNT[1] + DISCOUNT[2]) / sum(DISCOUNT)),
        (ranking.mrr, 1, 0.0),
        (ranking.mrr, 3, 1 / 2),
        (ranking.map, 2, (1 / 2) / 2),  # divided by min(2, 3)
        (ranking.map, 3, (1 / 2 + 2 / 3) / 3),
        # Misses: 3 (listed first) and 2 (not listed). Items 1 and 4 beat 2, 0 ties with it; all lose to 3.
        (ranking.auc, 3, (1 + 1 + 0.5) / 6),
        (beyond.novelty, 2, (3 + 1) / 2),  # -log2 of 1/8 and 1/2
        (
            beyond.long_tail,
            3,
            1 / 3,
        ),  # 1, 2 and one of the two at 1/8 hold 0.875 >= 0.8; of 3 and 4 the lower row
    ],
)
def test_known_answers(metric, n, expected):
    assert metric(HAND, n) == pytest.approx([expected])


def test_known_answers_of_the_whole_catalogue():
    popularity = np.full(4, 0.25)
    relevant = [np.array([0]), np.array([0])]
    two = RankingEvidence.from_lists([np.array([0, 1]), np.array([0, 2])], relevant, 4, popularity)
    assert beyond.coverage(two, 1) == 1 / 4
    assert beyond.coverage(two, 2) == 3 / 4
    # Counts in growing order 0 1 1 2: (-3*0 - 1*1 + 1*1 + 3*2) / (4 * 4)
    assert beyond.gini(two, 2) == pytest.approx(6 / 16)
    everything = RankingEvidence.from_lists([np.arange(4)] * 2, relevant, 4, popularity)
    assert beyond.gini(everything, 4) == 0.0
    nothing = RankingEvidence.from_lists([np.array([], dtype=np.int64)] * 2, relevant, 4, popularity)
    assert math.isnan(beyond.gini(nothing, 4))


def test_known_diversity():
    # Topics: 0 {a, b}, 1 {a}, 2 {b}, 3 none. Cosines: 0-1 and 0-2 1/sqrt(2), 1-2 0; item 3 is left out.
    topics = csr_array(np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=np.float64))
    lists = [np.array([0, 3, 1]), np.array([0, 1, 2]), np.array([3, 1]), np.array([1])]
    evidence = RankingEvidence.from_lists(lists, [np.array([0])] * 4, 4, np.full(4, 0.25), topics)
    one, pairs = 1 - 1 / math.sqrt(2), (2 * (1 - 1 / math.sqrt(2)) + 1) / 3
    assert beyond.diversity(evidence, 3) == pytest.approx([one, pairs, math.nan, math.nan], nan_ok=True)


def test_what_is_undefined_is_nan_and_what_is_empty_scores_nothing():
    lists = [np.array([], dtype=np.int64), np.array([1, 0])]
    evidence = RankingEvidence.from_lists(lists, [np.array([0]), np.array([0, 1])], 2, np.array([0.0, 0.0]))
    for metric in (accuracy.precision, accuracy.recall, accuracy.f1, accuracy.hit_rate, *ORDER_METRICS):
        assert metric(evidence, 5)[0] == 0.0
    assert ranking.auc(evidence, 5) == pytest.approx([0.5, math.nan], nan_ok=True)
    assert np.isnan(beyond.novelty(evidence, 5)[0])
    assert np.isfinite(beyond.novelty(evidence, 5)[1])  # no item was ever seen
    assert np.isnan(beyond.long_tail(evidence, 5)[0])
    assert np.isnan(beyond.diversity(evidence, 5)).all()  # no topics are known


ORDER_METRICS = (ranking.ndcg, ranking.mrr, ranking.map)
QUERY_METRICS = (
    *(accuracy.precision, accuracy.recall, accuracy.f1, accuracy.hit_rate, accuracy.accuracy),
    *(*ORDER_METRICS, ranking.auc, beyond.novelty, beyond.diversity, beyond.long_tail),
)


@pytest.mark.parametrize("metric", QUERY_METRICS, ids=lambda metric: metric.__name__)
def test_metrics_take_no_queries_and_no_lists(metric):
    none = RankingEvidence.from_lists([], [], 3, np.full(3, 1 / 3), csr_array(np.eye(3)))
    assert metric(none, 4).shape == (0,)
    empty = [np.array([], dtype=np.int64)] * 2
    wanted, popularity, topics = [np.array([1])] * 2, np.full(3, 1 / 3), csr_array(np.eye(3))
    unanswered = RankingEvidence.from_lists(empty, wanted, 3, popularity, topics)
    assert metric(unanswered, 4).shape == (2,)


@pytest.mark.parametrize("metric", QUERY_METRICS, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("n", CUTS)
def test_all_queries_at_once_equal_one_by_one(metric, n, answer):
    evidence, lists, relevant = answer
    alone = [
        metric(
            RankingEvidence.from_lists([rows], [wanted], N_ITEMS, evidence.item_popularity, evidence.item_topics),
            n,
        )[0]
        for rows, wanted in zip(lists, relevant, strict=True)
    ]
    assert metric(evidence, n) == pytest.approx(alone, nan_ok=True)


@pytest.mark.parametrize("n", CUTS)
def test_set_metrics_equal_sklearn(n, answer):
    evidence, lists, relevant = answer
    # Lists of full length, for scikit-learn does not fill up short ones.
    full = evidence.n_listed(n) == n
    asked = [pair for pair, whole in zip(labels(lists, relevant, n), full, strict=True) if whole]
    assert len(asked) >= 2
    for ours, theirs in (
        (accuracy.precision, sklearn_metrics.precision_score),
        (accuracy.recall, sklearn_metrics.recall_score),
        (accuracy.f1, sklearn_metrics.f1_score),
        (accuracy.accuracy, sklearn_metrics.accuracy_score),
    ):
        assert ours(evidence, n)[full] == pytest.approx([theirs(truth, listed) for truth, listed in asked])


@pytest.mark.parametrize("n", CUTS)
def test_ndcg_equals_sklearn(n, answer):
    evidence, lists, relevant = answer
    expected = []
    for rows, wanted in zip(lists, relevant, strict=True):
        # Relevant items outside the list count in the ideal order only: they stand behind n misses.
        truth = np.isin(rows, wanted).astype(np.float64)
        missing = np.ones(len(wanted) - int(truth.sum()))
        gains = np.concatenate([truth, np.zeros(n), missing])
        expected.append(sklearn_metrics.ndcg_score([gains], [-np.arange(len(gains), dtype=np.float64)], k=n))
    assert ranking.ndcg(evidence, n) == pytest.approx(expected)


def test_auc_equals_sklearn_with_unlisted_items_tied(answer):
    evidence, lists, relevant = answer
    expected = []
    for rows, wanted in zip(lists, relevant, strict=True):
        scores = np.zeros(N_ITEMS)
        scores[rows] = np.arange(len(rows), 0, -1)
        expected.append(sklearn_metrics.roc_auc_score(np.isin(np.arange(N_ITEMS), wanted), scores))
    assert ranking.auc(evidence, 3) == pytest.approx(expected)


def test_auc_of_a_whole_ranking_equals_sklearn():
    rng = np.random.default_rng(3)
    scores = rng.random((20, N_ITEMS))
    relevant = [rng.choice(N_ITEMS, size=5, replace=False) for _ in scores]
    evidence = RankingEvidence.from_lists(
        list(np.argsort(-scores, axis=1)), relevant, N_ITEMS, np.full(N_ITEMS, 1 / N_ITEMS)
    )
    expected = [
        sklearn_metrics.roc_auc_score(np.isin(np.arange(N_ITEMS), wanted), row)
        for row, wanted in zip(scores, relevant, strict=True)
    ]
    assert ranking.auc(evidence, 10) == pytest.approx(expected)


@pytest.mark.parametrize("n", CUTS)
@pytest.mark.parametrize(
    "metric",
    [accuracy.precision, accuracy.recall, accuracy.f1, accuracy.hit_rate, ranking.mrr, ranking.ndcg],
    ids=lambda metric: metric.__name__,
)
def test_metrics_equal_ranx(metric, n, answer, peer):
    assert metric(answer[0], n) == pytest.approx(peer[metric.__name__, n])


@pytest.mark.parametrize("n", CUTS)
def test_map_equals_ranx_up_to_the_divisor(n, answer, peer):
    evidence = answer[0]
    divisor = np.minimum(evidence.n_relevant, n) / evidence.n_relevant  # ranx divides by all relevant items
    assert ranking.map(evidence, n) * divisor == pytest.approx(peer["map", n])


@pytest.mark.parametrize("n", CUTS)
def test_metrics_beyond_accuracy_equal_plain_loops(n, answer):
    evidence, lists, _ = answer
    popularity, topics = evidence.item_popularity, evidence.item_topics.toarray().astype(bool)
    least = min(share for share in popularity if share > 0)
    head, held = set(), 0.0
    for item in sorted(range(N_ITEMS), key=lambda item: -popularity[item]):
        if held < 0.8 - 1e-12:
            head.add(item)
        held += popularity[item]
    times = dict.fromkeys(range(N_ITEMS), 0)
    novelty, diversity, tail = [], [], []
    for rows in lists:
        listed = [int(item) for item in rows[:n]]
        for item in listed:
            times[item] += 1
        novelty.append(np.mean([-math.log2(max(popularity[item], least)) for item in listed]))
        tail.append(np.mean([item not in head for item in listed]))
        known = [topics[item] for item in listed if topics[item].any()]
        apart = [1 - np.sum(a & b) / math.sqrt(a.sum() * b.sum()) for a, b in itertools.combinations(known, 2)]
        diversity.append(np.mean(apart) if apart else math.nan)
    apart_counts = sum(abs(a - b) for a in times.values() for b in times.values())
    assert beyond.novelty(evidence, n) == pytest.approx(novelty)
    assert beyond.long_tail(evidence, n) == pytest.approx(tail)
    assert beyond.diversity(evidence, n) == pytest.approx(diversity, nan_ok=True, abs=1e-12)
    assert beyond.coverage(evidence, n) == sum(count > 0 for count in times.values()) / N_ITEMS
    # Gini by its definition: half the relative mean difference.
    assert beyond.gini(evidence, n) == pytest.approx(apart_counts / (2 * N_ITEMS * sum(times.values())))


def test_a_matrix_and_lists_give_the_same_evidence(answer):
    evidence, _, relevant = answer
    again = RankingEvidence.from_matrix(evidence.items, relevant, N_ITEMS, evidence.item_popularity)
    assert np.array_equal(again.hits, evidence.hits)
    assert np.array_equal(again.n_relevant, evidence.n_relevant)


def test_items_named_twice_as_relevant_count_once():
    evidence = RankingEvidence.from_lists([np.array([0])], [np.array([0, 0, 1])], 3, np.full(3, 1 / 3))
    assert evidence.n_relevant.tolist() == [2]


@pytest.mark.parametrize(
    ("items", "relevant", "message"),
    [
        ([[0, 1]], [[0], [1]], "1 recommended lists but 2 relevant ones"),
        ([[0, 0]], [[0]], "query 0 recommends an item twice"),
        ([[-1, 0]], [[0]], "has a gap"),
        ([[3, 0]], [[0]], "outside the catalogue of 3"),
        ([[-2, 0]], [[0]], "outside the catalogue of 3"),
        ([[0, 1]], [[3]], "relevant item lies outside"),
        ([[0, 1]], [[-1]], "relevant item lies outside"),
        ([[0, 1], [1, 0]], [[1], []], "query 1 has no relevant item"),
    ],
)
def test_bad_evidence_is_refused(items, relevant, message):
    rows = [np.array(one, dtype=np.int64) for one in relevant]
    with pytest.raises(ValueError, match=message):
        RankingEvidence.from_matrix(np.array(items, dtype=np.int32), rows, 3, np.full(3, 1 / 3))


def test_a_catalogue_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="item_popularity has shape"):
        RankingEvidence.from_lists([np.array([0])], [np.array([0])], 3, np.full(2, 0.5))
    with pytest.raises(ValueError, match="item_topics has 2 rows"):
        RankingEvidence.from_lists([np.array([0])], [np.array([0])], 3, np.full(3, 1 / 3), csr_array(np.eye(2)))


def test_a_list_of_no_items_is_refused():
    with pytest.raises(ValueError, match="n is at least 1"):
        accuracy.precision(HAND, 0)


def test_rating_errors_equal_sklearn():
    rng = np.random.default_rng(0)
    actual, predicted = rng.integers(1, 6, size=200).astype(np.float64), rng.random(200) * 5
    assert rating.mae(actual, predicted) == pytest.approx(sklearn_metrics.mean_absolute_error(actual, predicted))
    assert rating.rmse(actual, predicted) == pytest.approx(sklearn_metrics.root_mean_squared_error(actual, predicted))
    assert math.isnan(rating.mae(np.empty(0), np.empty(0)))


def test_topic_losses_equal_sklearn():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(8, 0.3), size=300)
    actual = rng.integers(8, size=300)
    p_actual = p[np.arange(300), actual]
    assert probability.log_loss(p_actual).mean() == pytest.approx(
        sklearn_metrics.log_loss(actual, p, labels=np.arange(8))
    )
    by_hand = np.square(p - np.eye(8)[actual]).sum(axis=1)
    found = probability.brier(p_actual, np.square(p).sum(axis=1))
    assert found == pytest.approx(by_hand)
    assert found.mean() == pytest.approx(
        sklearn_metrics.brier_score_loss(actual, p, labels=np.arange(8), scale_by_half=False)
    )


def test_binary_losses_equal_sklearn():
    rng = np.random.default_rng(2)
    p, happened = rng.random(300), rng.random(300) < 0.4
    assert probability.binary_log_loss(p, happened).mean() == pytest.approx(sklearn_metrics.log_loss(happened, p))
    assert probability.binary_brier(p, happened).mean() == pytest.approx(sklearn_metrics.brier_score_loss(happened, p))


def test_a_false_certainty_costs_much_but_not_everything():
    assert probability.log_loss(np.array([0.0])) == pytest.approx([36.0437], abs=1e-3)
    assert probability.brier(np.array([0.0]), np.array([1.0])).tolist() == [2.0]
    assert probability.brier(np.array([1.0]), np.array([1.0])).tolist() == [0.0]


def test_brier_skill_of_the_reference_itself_is_zero():
    scores = np.array([0.25, 0.5])
    assert probability.brier_skill(scores, scores) == 0.0
    assert probability.brier_skill(2 * scores, scores) == -1.0
    assert math.isnan(probability.brier_skill(scores, np.zeros(2)))


def test_calibration_error_equals_a_plain_loop():
    rng = np.random.default_rng(4)
    p = rng.random(1000)  # all different, so bins are runs of 100 in order
    happened = rng.random(1000) < p**2
    order = np.argsort(p)
    expected = sum(abs(p[run].mean() - happened[run].mean()) * len(run) / 1000 for run in np.array_split(order, 10))
    assert probability.ece(p, happened, n_bins=10) == pytest.approx(expected, abs=2e-3)
    assert probability.reliability(p, happened, n_bins=10).count.sum() == 1000
    assert probability.reliability(p, happened, n_bins=10).count == pytest.approx(np.full(10, 100), abs=1)


def test_calibration_error_does_not_depend_on_order():
    rng = np.random.default_rng(6)
    p = rng.choice([0.1, 0.3, 0.9], size=500)
    happened = rng.random(500) < p
    shuffled = rng.permutation(500)
    # Three values make at most three bins, however many are asked for.
    assert len(probability.reliability(p, happened).count) == 3
    assert probability.ece(p, happened) == pytest.approx(probability.ece(p[shuffled], happened[shuffled]))
    assert probability.ece(np.full(4, 0.5), np.array([True, False, False, False])) == 0.25
    assert math.isnan(probability.ece(np.empty(0), np.empty(0, dtype=bool)))
