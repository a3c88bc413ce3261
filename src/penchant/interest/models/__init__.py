"""Models that learn from all interactions which items go with whom; one file a family, one contract for all."""

from penchant.registry import Registry

MODELS = Registry(
    "item model",
    "penchant.interest.model",
    {
        "most_popular": "penchant.interest.models.counts:MostPopular",
        "most_recent": "penchant.interest.models.counts:MostRecent",
        "repeat": "penchant.interest.models.counts:Repeat",
        "item_knn": "penchant.interest.models.item_knn:ItemKNN",
        "item_pearson": "penchant.interest.models.item_knn:ItemPearson",
        "item_adjusted_cosine": "penchant.interest.models.item_knn:ItemAdjustedCosine",
        "sequence": "penchant.interest.models.sequence.models:Gated",
        "transformer": "penchant.interest.models.sequence.models:Transformer",
        "gru": "penchant.interest.models.sequence.models:Gru",
        "lstm": "penchant.interest.models.sequence.models:Lstm",
        "caser": "penchant.interest.models.sequence.models:Caser",
        "user_knn": "penchant.interest.models.user_knn:UserKNN",
        "ease": "penchant.interest.models.ease:EASE",
        "rules": "penchant.interest.models.rules:Rules",
        "ngram": "penchant.interest.models.ngram:NGram",
        "neural_ngram": "penchant.interest.models.ngram_neural:NeuralNGram",
        "svm": "penchant.interest.models.trees:SVM",
        "tree": "penchant.interest.models.trees:Tree",
        "forest": "penchant.interest.models.trees:Forest",
        "boosting": "penchant.interest.models.trees:Boosting",
        "als": "penchant.interest.models.als:ALS",
        "collective": "penchant.interest.models.als:Collective",
        "bpr": "penchant.interest.models.bpr:BPR",
        "tfidf": "penchant.interest.models.content:TFIDF",
        "bm25": "penchant.interest.models.content:BM25",
        "hybrid": "penchant.interest.models.hybrid:Hybrid",
        "item_knn_online": "penchant.interest.models.online_knn:OnlineItemKNN",
    },
)
"""Every model of ``penchant.domain.item_model.ItemModel``, by the name that strategies and tables use."""
