"""Recommend: candidate sources, a ranker, rerankers, and the pipeline that declares them."""

from penchant.registry import Registry

SOURCES = Registry(
    "candidate source",
    "penchant.recommend.source",
    {
        "popular": "penchant.recommend.popular:Popular",
        "recent": "penchant.recommend.recent:Recent",
        "interest": "penchant.recommend.affinity:InterestAffinity",
        "new": "penchant.recommend.newest:Newest",
        "taste": "penchant.recommend.vectors:NearTaste",
        "peers": "penchant.recommend.peers:Peers",
        "like_minded": "penchant.recommend.like_minded:LikeMinded",
    },
)

RANKERS = Registry(
    "ranker",
    "penchant.recommend.ranker",
    {
        "blend": "penchant.recommend.blend:Blend",
        "vote": "penchant.recommend.voting:Vote",
        "stack": "penchant.recommend.stack:Stack",
    },
)

RERANKERS = Registry(
    "reranker",
    "penchant.recommend.reranker",
    {
        "spread": "penchant.recommend.spread:Spread",
        "mmr": "penchant.recommend.mmr:MMR",
        "calibrate": "penchant.recommend.calibrate:Calibrate",
        "novelty": "penchant.recommend.novelty:Novelty",
        "fair": "penchant.recommend.fairness:Fairness",
        "fatigue": "penchant.recommend.fatigue:Fatigue",
        "fresh": "penchant.recommend.freshness:Freshness",
    },
)

RATINGS = Registry(
    "rating predictor",
    "penchant.recommend.rating",
    {
        "bias": "penchant.recommend.bias:Bias",
        "item_mean": "penchant.recommend.bias:ItemMean",
        "global_mean": "penchant.recommend.bias:GlobalMean",
        "user_knn_rating": "penchant.recommend.rating_knn:UserKNNRating",
        "item_knn_rating": "penchant.recommend.rating_knn:ItemKNNRating",
    },
)
