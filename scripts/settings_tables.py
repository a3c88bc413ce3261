"""Every setting and component option with type, default and meaning, read from the Config classes."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator

from pydantic import BaseModel

from penchant.app.server.config import ServerConfig
from penchant.collect.pages import PagesConfig
from penchant.collect.sources.gorse import GorseConfig
from penchant.collect.sources.survey import SurveyConfig
from penchant.collect.sources.weblog import WebLogConfig
from penchant.config import Settings
from penchant.domain.rules import BusinessRulesConfig
from penchant.interest.models import MODELS
from penchant.interest.models.classical import ClassicalConfig
from penchant.interest.models.sequence.config import AttentionConfig, SequenceConfig
from penchant.interest.statements import StatementsConfig
from penchant.interest.tracker import TrackerConfig
from penchant.process.augment import AugmentConfig
from penchant.process.feedback import FeedbackConfig
from penchant.process.label import LabelConfig
from penchant.profile.consent import ConsentConfig
from penchant.recommend import RANKERS, RATINGS, RERANKERS, SOURCES
from penchant.recommend.onboarding import OnboardingConfig
from penchant.recommend.pipeline import PipelineConfig


def components() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield ``(name under [components], Config)`` of everything that the settings reach."""
    yield "tracker", TrackerConfig
    yield "statements", StatementsConfig
    yield "label", LabelConfig
    yield "pipeline", PipelineConfig
    yield "business_rules", BusinessRulesConfig
    yield "onboarding", OnboardingConfig
    yield "consent", ConsentConfig
    for registry in (SOURCES, RANKERS, RERANKERS):
        for name in registry:
            yield name, registry[name].Config
    for name in MODELS:
        yield name, MODELS[name].Config


def in_code_only() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield ``(class name, Config)`` of components that take their options in code."""
    seen: set[type[BaseModel]] = set()
    for name in RATINGS:
        config = getattr(RATINGS[name], "Config", None)
        if config is not None and config not in seen:
            seen.add(config)
            yield config.__name__.removesuffix("Config"), config
    # What several models have in common; each adds its own above.
    yield "every sequence model", SequenceConfig
    yield "every sequence model that attends", AttentionConfig
    yield "svm, tree, forest, boosting", ClassicalConfig
    yield "penchant.app.server", ServerConfig
    yield "Augment", AugmentConfig
    yield "Feedback", FeedbackConfig
    # What a mapping says under read.options, by format.
    yield "weblog", WebLogConfig
    yield "chrome_history, firefox_history, takeout_history", PagesConfig
    yield "survey", SurveyConfig
    yield "gorse", GorseConfig


def rows(config: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    """Yield ``(name, type, default, meaning)`` of every field, those of the classes it is made from first."""
    defaults = config().model_dump(mode="json")
    found: dict[str, tuple[str, str, str, str]] = {}
    for part in reversed([one for one in config.__mro__ if issubclass(one, BaseModel) and one is not BaseModel]):
        found |= {row[0]: row for row in _own_rows(part, defaults)}
    yield from found.values()


def _own_rows(config: type[BaseModel], defaults: dict[str, object]) -> Iterator[tuple[str, str, str, str]]:
    body = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0]
    if not isinstance(body, ast.ClassDef):
        raise TypeError(f"{config} is no class")
    for field, after in zip(body.body, [*body.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name = field.target.id
        said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        meaning = " ".join(str(said).split()).replace("``", "`").replace("|", "\\|")
        kind = ast.unparse(field.annotation).replace("|", "\\|") + _limits(field.value)
        yield name, kind, json.dumps(defaults[name], ensure_ascii=False), meaning


def _limits(value: ast.expr | None) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    if not isinstance(value, ast.Call):
        return ""
    return "".join(f", {signs[k.arg]} {ast.unparse(k.value)}" for k in value.keywords if k.arg in signs)


def table(config: type[BaseModel]) -> str:
    """Return a Markdown table of a Config's fields."""
    lines = ["| name | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {kind} | `{default}` | {meaning} |" for name, kind, default, meaning in rows(config)]
    return "\n".join(lines)


def text() -> str:
    """Return the pasted part of ``docs/reference/settings.md``."""
    parts = ["## The engine", table(Settings), "## Components"]
    for name, config in components():
        parts += [f"### `[components.{name}]`", f"{_first_line(config)}", table(config)]
    parts += ["## In code only", "These take their options when they are made; the settings file does not reach them."]
    for name, config in in_code_only():
        parts += [f"### `{name}`", f"{_first_line(config)}", table(config)]
    return "\n\n".join(parts)


def _first_line(config: type[BaseModel]) -> str:
    return (config.__doc__ or "").strip().splitlines()[0]


if __name__ == "__main__":
    print(text())
