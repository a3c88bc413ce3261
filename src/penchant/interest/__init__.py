"""Interest: what a user cares about, how much, and which way it moves."""

from penchant.registry import Registry

LEARNERS = Registry("learner", "penchant.interest.learner", {"tracker": "penchant.interest.tracker:Tracker"})

TOPIC_MODELS = Registry(
    "topic model",
    "penchant.interest.topic_model",
    {
        "tracker": "penchant.interest.tracker_model:TrackerModel",
        "static": "penchant.interest.baselines:Static",
        "popularity": "penchant.interest.baselines:Popularity",
        "last_k": "penchant.interest.baselines:LastK",
        "ema": "penchant.interest.baselines:Ema",
        "static_20": "penchant.interest.baselines:Static20",
        "ema_20": "penchant.interest.baselines:Ema20",
        "adwin": "penchant.interest.detectors:Adwin",
        "kswin": "penchant.interest.detectors:Kswin",
        "page_hinkley": "penchant.interest.detectors:PageHinkley",
        "ngram_topics": "penchant.interest.ngram_topics:NGramTopics",
    },
)
