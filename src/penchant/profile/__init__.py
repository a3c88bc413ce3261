"""Profile: what is known of users, items and days, as states folded from the event log."""

from penchant.registry import Registry

LEARNERS = Registry(
    "learner",
    "penchant.profile.learner",
    {
        "facts": "penchant.profile.facts:Facts",
        "consent": "penchant.profile.consent:ConsentLearner",
        "behaviour": "penchant.profile.behaviour:BehaviourLearner",
        "history": "penchant.profile.history:HistoryLearner",
        "impressions": "penchant.profile.impressions:ImpressionsLearner",
        "item_population": "penchant.profile.population:ItemPopulation",
        "topic_population": "penchant.profile.population:TopicPopulation",
        "catalog": "penchant.profile.catalog:CatalogLearner",
        "statements": "penchant.profile.statements:StatementsLearner",
        "topic_catalog": "penchant.profile.topics:TopicCatalog",
    },
)
