"""Evaluate: metrics, protocols that keep to time, intervals, reports."""

from penchant.registry import Registry

METRICS = Registry(
    "metric",
    "penchant.evaluate.metric",
    {
        "ndcg": "penchant.evaluate.metrics.ranking:ndcg",
        "hit_rate": "penchant.evaluate.metrics.accuracy:hit_rate",
        "precision": "penchant.evaluate.metrics.accuracy:precision",
        "recall": "penchant.evaluate.metrics.accuracy:recall",
        "f1": "penchant.evaluate.metrics.accuracy:f1",
        "accuracy": "penchant.evaluate.metrics.accuracy:accuracy",
        "mrr": "penchant.evaluate.metrics.ranking:mrr",
        "map": "penchant.evaluate.metrics.ranking:map",
        "auc": "penchant.evaluate.metrics.ranking:auc",
        "coverage": "penchant.evaluate.metrics.beyond:coverage",
        "novelty": "penchant.evaluate.metrics.beyond:novelty",
        "diversity": "penchant.evaluate.metrics.beyond:diversity",
        "long_tail": "penchant.evaluate.metrics.beyond:long_tail",
        "gini": "penchant.evaluate.metrics.beyond:gini",
    },
)
