"""A profile in plain words, from its numbers, by templates: the same numbers give the same sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from penchant.app.mcp.answers import trend_of
from penchant.domain.interests import Interest
from penchant.domain.profile import Profile

MAX_NAME = 80
"""Letters of a name that are told; names come from outside and may be as long as their author liked."""
FACTS = 10
"""Facts that are told, the newest first."""
DEEDS = 3
"""Kinds of events that are told, the most frequent first."""


@dataclass(frozen=True, slots=True)
class Words:
    """The sentences of one language."""

    nobody: str
    begin: str
    did: str
    deeds: dict[str, str]
    times: str
    next: str
    likely: str
    rising: str
    falling: str
    factor: str
    likes: str
    dislikes: str
    strength: str
    until: str
    muted: str
    facts: str
    fact: str
    comma: str
    space: str


ENGLISH = Words(
    nobody="As of {at}, nothing is known of {user}.",
    begin="As of {at}, this is known of {user}.",
    did="{events} in {sessions} from {first} to {last}: {deeds}.",
    deeds={
        "view": "viewed",
        "click": "clicked",
        "dwell": "stayed",
        "search": "searched",
        "cart": "put into the cart",
        "purchase": "bought",
        "return": "gave back",
        "rating": "rated",
        "like": "liked",
        "dislike": "disliked",
        "hide": "hid",
        "comment": "commented",
        "share": "shared",
        "follow": "followed",
        "post": "posted",
        "play": "played",
        "survey": "answered",
        "statement": "stated",
        "impression": "was shown",
        "consent": "spoke on consent",
        "user": "was described",
    },
    times="{deed} {times}",
    next="Most likely next: {list}.",
    likely="{topic} with {p} ({low} to {high}; last event on {last})",
    rising="Stronger lately than usual: {list}.",
    falling="Weaker lately than usual: {list}.",
    factor="{topic} ({factor:.1f} times)",
    likes="Says to like: {list}.",
    dislikes="Says not to like: {list}.",
    strength="{topic} ({p}{until})",
    until=", until {date}",
    muted="Does not want to be shown: {list}.",
    facts="Facts: {list}.",
    fact="{name} is {value} (since {date})",
    comma=", ",
    space=" ",
)
CHINESE = Words(
    nobody="截至 {at}，对 {user} 还一无所知。",
    begin="截至 {at}，对 {user} 的了解如下。",
    did="从 {first} 到 {last}，{sessions}共 {events}：{deeds}。",
    deeds={
        "view": "浏览",
        "click": "点击",
        "dwell": "停留",
        "search": "搜索",
        "cart": "加入购物车",
        "purchase": "购买",
        "return": "退货",
        "rating": "评分",
        "like": "点赞",
        "dislike": "点踩",
        "hide": "隐藏",
        "comment": "评论",
        "share": "分享",
        "follow": "关注",
        "post": "发布",
        "play": "播放",
        "survey": "回答问卷",
        "statement": "声明",
        "impression": "看到推荐",
        "consent": "表态同意与否",
        "user": "资料更新",
    },
    times="{deed} {times}",
    next="接下来最可能的主题：{list}。",
    likely="{topic}，概率 {p}（{low} 到 {high}；最近一次 {last}）",
    rising="最近比平时强：{list}。",
    falling="最近比平时弱：{list}。",
    factor="{topic}（{factor:.1f} 倍）",
    likes="自己说喜欢：{list}。",
    dislikes="自己说不喜欢：{list}。",
    strength="{topic}（{p}{until}）",
    until="，到 {date} 为止",
    muted="不想看到：{list}。",
    facts="事实：{list}。",
    fact="{name} 为 {value}（自 {date}）",
    comma="、",
    space="",
)
LANGUAGES: dict[str, Words] = {"en": ENGLISH, "zh": CHINESE}


def summary(profile: Profile, language: Literal["en", "zh"] = "en") -> str:
    """Return a profile as a few sentences with dates, probabilities in whole percent, and names in quotes."""
    words = LANGUAGES[language]
    at, user = f"{profile.at:%Y-%m-%d %H:%M} UTC", _name(profile.user_id)
    if not profile.known and not profile.interests:
        return words.nobody.format(at=at, user=user)
    parts = [words.begin.format(at=at, user=user), *_behaviour(words, profile, language)]
    parts += _interests(words, profile.interests)
    parts += _said(words, profile.interests)
    facts = sorted(profile.facts.items(), key=lambda pair: pair[1].at, reverse=True)[:FACTS]
    told = [
        words.fact.format(name=_name(name), value=_name(str(fact.value)), date=_day(fact.at)) for name, fact in facts
    ]
    parts += _sentence(words, words.facts, told)
    return words.space.join(parts)


def _behaviour(words: Words, profile: Profile, language: str) -> list[str]:
    did = profile.behaviour
    if did.first_at is None or did.last_at is None:
        return []
    often = sorted(did.n_by_type.items(), key=lambda pair: (-pair[1], pair[0]))[:DEEDS]
    count = _counted if language == "en" else _counted_chinese
    deeds = [words.times.format(deed=words.deeds[kind], times=count(n, "time", "次")) for kind, n in often]
    return [
        words.did.format(
            events=count(did.n_events, "event", "个事件"),
            sessions=count(did.n_sessions, "visit", "次访问"),
            first=_day(did.first_at),
            last=_day(did.last_at),
            deeds=words.comma.join(deeds),
        )
    ]


def _interests(words: Words, interests: Sequence[Interest]) -> list[str]:
    likely = [
        words.likely.format(
            topic=_name(one.topic),
            p=_percent(one.probability),
            low=_percent(one.interval[0]),
            high=_percent(one.interval[1]),
            last=_day(max(event.at for event in one.evidence)),
        )
        for one in interests
        if one.evidence and not one.muted
    ]
    moving: Callable[[str], list[str]] = lambda way: [  # noqa: E731 - one question, asked twice
        words.factor.format(topic=_name(one.topic), factor=2.0**one.trend)
        for one in interests
        if trend_of(one) == way and not one.muted
    ]
    return [
        *_sentence(words, words.next, likely),
        *_sentence(words, words.rising, moving("rising")),
        *_sentence(words, words.falling, moving("falling")),
    ]


def _said(words: Words, interests: Sequence[Interest]) -> list[str]:
    likes, dislikes = list[str](), list[str]()
    for one in interests:
        if one.stated:
            until = "" if one.stated_until is None else words.until.format(date=_day(one.stated_until))
            told = words.strength.format(topic=_name(one.topic), p=_percent(abs(one.stated)), until=until)
            (likes if one.stated > 0 else dislikes).append(told)
    return [
        *_sentence(words, words.likes, likes),
        *_sentence(words, words.dislikes, dislikes),
        *_sentence(words, words.muted, [_name(one.topic) for one in interests if one.muted]),
    ]


def _sentence(words: Words, template: str, told: Iterable[str]) -> list[str]:
    listed = words.comma.join(told)
    return [template.format(list=listed)] if listed else []


def _name(text: str) -> str:
    """Return a name in quotes, on one line and not too long: it is data, and must not look like a sentence of ours."""
    line = " ".join(text.replace('"', "'").split())
    return f'"{line if len(line) <= MAX_NAME else line[: MAX_NAME - 1] + "…"}"'


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if not 0 < share < 0.005 else "<1%"


def _counted(n: int, english: str, _: str) -> str:
    return f"{n:,} {english}{'' if n == 1 else 's'}"


def _counted_chinese(n: int, _: str, chinese: str) -> str:
    return f"{n:,} {chinese}"
