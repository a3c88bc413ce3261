"""Every word of the dashboard in English and Chinese, in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from starlette.requests import HTTPConnection

Words: TypeAlias = Callable[..., str]
LANGUAGES = {"en": "English", "zh": "中文"}
"""Languages and what they call themselves."""


def language_of(connection: HTTPConnection) -> str:
    """Return the language that the address asks for (``?lang=zh``), else the first that the browser likes and we have."""
    asked = connection.query_params.get("lang", "")
    liked = [one.strip()[:2].lower() for one in connection.headers.get("accept-language", "").split(",")]
    return next((one for one in (asked, *liked) if one in LANGUAGES), "en")


def words_of(language: str) -> Words:
    """Return a function that gives the words of a language by key, with values put into them."""
    place = list(LANGUAGES).index(language)

    def word(key: str, **values: Any) -> str:
        text = WORDS[key][place]
        return text.format(**values) if values else text

    return word


WORDS: dict[str, tuple[str, str]] = {
    # the page
    "dashboard": ("dashboard", "仪表板"),
    "key": ("Key with the role admin", "admin 角色的密钥"),
    "key_help": (
        "Make one on the server: penchant serve key add --role admin",
        "在服务器上创建：penchant serve key add --role admin",
    ),
    "enter": ("Enter", "进入"),
    "wrong_key": ("The key is unknown or was revoked.", "密钥不存在或已被收回。"),
    "no_admin": ("This key does not have the role admin.", "这个密钥没有 admin 角色。"),
    "leave": ("Leave", "退出"),
    "dark": ("Dark", "深色"),
    "light": ("Light", "浅色"),
    "user": ("User", "用户"),
    "user_hint": ("type an id", "输入用户 id"),
    "look_at": ("Look at", "查看"),
    "choose_user": ("Choose a user above.", "请在上方选择一个用户。"),
    "wait": ("Loading", "加载中"),
    "close": ("Close", "关闭"),
    "cancel": ("Cancel", "取消"),
    "failed": ("Something went wrong; the server's log says what.", "出错了，服务器日志里有原因。"),
    "none": ("Nothing yet.", "暂无。"),
    "no_events": ("There are no events of users yet.", "还没有用户事件。"),
    "as_table": ("As a table", "以表格显示"),
    "show": ("Show", "查看"),
    "all": ("all", "全部"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "others": ("others", "其他"),
    # rooms
    "collect": ("Collect", "收集"),
    "process": ("Process", "处理"),
    "profile": ("Profile", "画像"),
    "interest": ("Interest", "兴趣"),
    "recommend": ("Recommend", "推荐"),
    "evaluate": ("Evaluate", "评估"),
    # collect
    "events": ("events", "事件"),
    "types": ("types", "类型"),
    "position": ("end of the log", "日志末尾"),
    "by_type": ("Events by type", "各类型的事件"),
    "type": ("type", "类型"),
    "newest": ("Newest events", "最新事件"),
    "live": ("Follow", "跟随"),
    "when": ("when (UTC)", "时间（UTC）"),
    "item": ("item", "物品"),
    "topics": ("topics", "主题"),
    "refused": ("Accepted and refused", "接受与拒绝"),
    "since_start": ("Over HTTP, since this server began.", "自本服务器启动以来，经 HTTP。"),
    "quarantine": (
        "Rows that penchant collect could not take lie in quarantine.jsonl, where it ran, with the reason of each.",
        "penchant collect 不能接受的行在它运行目录的 quarantine.jsonl 里，每行都有原因。",
    ),
    "outcome": ("what became of them", "结果"),
    "outcome_accepted": ("accepted", "接受"),
    "outcome_duplicate": ("there already", "已存在"),
    "outcome_refused": ("refused", "拒绝"),
    "outcome_late": ("of the accepted, late", "其中迟到"),
    "consents": ("What the user agrees to", "用户同意什么"),
    "purpose": ("purpose", "用途"),
    "purpose_collect": ("collect", "收集"),
    "purpose_personalise": ("personalise", "个性化"),
    "purpose_share": ("share", "分享"),
    "purpose_research": ("research", "研究"),
    "source": ("source", "来源"),
    "agrees": ("agrees", "同意"),
    "since": ("since", "自"),
    "version": ("text", "文本版本"),
    "change": ("change", "更改"),
    "by_default": ("by default", "默认"),
    "withdraw": ("Withdraw", "撤回"),
    "give": ("Give", "同意"),
    # process
    "users": ("users", "用户"),
    "items": ("items", "物品"),
    "labelled": ("with a topic", "有主题"),
    "sessions": ("sessions", "会话"),
    "per_session": ("events a session", "每会话事件"),
    "split": ("Split by time", "按时间切分"),
    "part": ("part", "部分"),
    "train": ("train", "训练"),
    "validation": ("validation", "验证"),
    "test": ("test", "测试"),
    "from": ("from", "从"),
    "to": ("to", "到"),
    "topics_of_items": ("Topics of items", "物品的主题"),
    "topics_shown": ("The {n} topics with the most items, of {of}.", "共 {of} 个主题，显示物品最多的 {n} 个。"),
    "topic": ("topic", "主题"),
    "queue": ("Items without a topic", "没有主题的物品"),
    "queue_count": (
        "{n} items have no topic; an item event gives them one.",
        "{n} 个物品没有主题；item 事件可以给出主题。",
    ),
    "title": ("title", "标题"),
    # profile
    "unknown_user": ("Nothing is known of {user}.", "对 {user} 一无所知。"),
    "facts": ("Facts", "事实"),
    "fact": ("fact", "事实"),
    "value": ("value", "值"),
    "behaviour": ("Behaviour", "行为"),
    "days_since": ("days since the last", "距最近一次（天）"),
    "days_between": ("days between visits", "访问间隔（天）"),
    "spend": ("spend", "消费"),
    "spend_visit": ("spend a visit", "每次消费"),
    "by_hour": ("Hour of the day (UTC)", "一天中的小时（UTC）"),
    "by_weekday": ("Day of the week", "星期"),
    "share": ("share", "占比"),
    "day_0": ("Mon", "周一"),
    "day_1": ("Tue", "周二"),
    "day_2": ("Wed", "周三"),
    "day_3": ("Thu", "周四"),
    "day_4": ("Fri", "周五"),
    "day_5": ("Sat", "周六"),
    "day_6": ("Sun", "周日"),
    "statements": ("What the user said", "用户说过什么"),
    "scope": ("scope", "范围"),
    "strength": ("strength", "强度"),
    "until": ("until", "直到"),
    "forget": ("Forget", "遗忘"),
    "forget_user": ("Forget this user …", "遗忘该用户……"),
    "forget_means": (
        "Erases every event and all that was learned of the user, for good.",
        "永久删除该用户的所有事件和学到的一切。",
    ),
    "forget_type": ("Type {user} to go on.", "请输入 {user} 以继续。"),
    "forget_now": ("Erase for good", "永久删除"),
    "not_the_same": ("That is not the user's id.", "与用户 id 不符。"),
    "forgotten": ("{n} events were erased.", "已删除 {n} 个事件。"),
    # interest
    "interests_of": ("Interests of {user}", "{user} 的兴趣"),
    "no_interests": ("No interests are known.", "还不知道任何兴趣。"),
    "p_next": ("P(next)", "P(下一个)"),
    "interval": ("95 %", "95 %"),
    "trend": ("trend", "趋势"),
    "active": ("active in 1 / 7 / 30 days", "1 / 7 / 30 天内活跃"),
    "active_after_fit": (
        "How probable an event within 1, 7 and 30 days is, is known after a fit (tab Evaluate).",
        "1、7、30 天内有事件的概率在训练之后可知（“评估”页）。",
    ),
    "said": ("said", "说过"),
    "evidence": ("evidence", "证据"),
    "correct": ("correct", "更正"),
    "rising": ("rising", "上升"),
    "falling": ("falling", "下降"),
    "steady": ("steady", "平稳"),
    "likes": ("likes", "喜欢"),
    "dislikes": ("dislikes", "不喜欢"),
    "muted": ("muted", "已静音"),
    "evidence_of": ("What carries {topic} of {user}", "{user} 的 {topic} 由什么支撑"),
    "event": ("event", "事件"),
    "like": ("Like", "喜欢"),
    "dislike": ("Dislike", "不喜欢"),
    "mute": ("Mute", "静音"),
    "unmute": ("Unmute", "取消静音"),
    "unsay": ("Withdraw", "收回"),
    "done_like": ("Taken: likes {topic}.", "已记录：喜欢 {topic}。"),
    "done_dislike": ("Taken: does not like {topic}.", "已记录：不喜欢 {topic}。"),
    "done_mute": ("{topic} is not recommended any more.", "不再推荐 {topic}。"),
    "done_unmute": ("{topic} may be recommended again.", "可以再次推荐 {topic}。"),
    "done_unsay": ("Withdrawn: {topic}.", "已收回：{topic}。"),
    "say": ("Say something of a topic", "对主题表态"),
    "say_means": (
        "What is said outranks what is inferred, and fades. Mute keeps a topic out of the list; it is still learned from.",
        "用户说的优先于推断的，并会淡化。静音的主题不再推荐，但仍用于学习。",
    ),
    "over_time": ("Interests over time", "兴趣随时间的变化"),
    "changes": ("The user changed: {when} (dashed lines).", "用户发生变化：{when}（虚线）。"),
    "no_changes": ("No change of the user was detected.", "没有检测到用户的变化。"),
    "change_mark": ("change", "变化"),
    # recommend
    "list": ("The list now", "当前列表"),
    "score": ("score", "得分"),
    "parts": ("parts", "组成"),
    "why": ("why", "原因"),
    "what_if": ("What if", "假如"),
    "without": ("Without it", "去掉它"),
    "moved": ("moved", "移动"),
    "why_not": ("Why this item, or why not?", "为什么有或没有这个物品？"),
    "item_id": ("item id", "物品 id"),
    "explain": ("Explain", "解释"),
    "verdict": ("answer", "回答"),
    "verdict_recommended": ("it is in the list", "在列表中"),
    "verdict_ranked": ("it stands further down", "排名靠后"),
    "verdict_excluded": ("a rule keeps it out", "被规则排除"),
    "verdict_not_a_candidate": ("no source proposes it", "没有来源提出它"),
    "verdict_unknown_item": ("nobody knows this item", "没有这个物品"),
    "rank": ("place", "名次"),
    "p_of": ("P({topic} is next)", "P(下一个是 {topic})"),
    "what_if_means": (
        "The list if items were left out, in another situation, under a rule, or from one source. Nothing is changed by asking.",
        "去掉某些物品、换一种情境、加上规则或只用一个来源时的列表。询问不会改变任何东西。",
    ),
    "exclude": ("without items", "去掉物品"),
    "context": ("context (JSON)", "情境（JSON）"),
    "filter": ("only where", "只要满足"),
    "strategy": ("source or model", "来源或模型"),
    "ask": ("Ask", "询问"),
    "before": ("place before", "原名次"),
    "new": ("new", "新"),
    # evaluate
    "tasks": ("Work in the background", "后台任务"),
    "tasks_mean": (
        "Tasks are done one after the other while the server answers; each takes seconds to minutes.",
        "任务逐个执行，服务器同时继续回答；每个需要几秒到几分钟。",
    ),
    "no_tasks": ("Nothing was asked for yet.", "还没有任务。"),
    "fit": ("Fit the models", "训练模型"),
    "evaluate_now": ("Evaluate lists on the log", "在日志上评估列表"),
    "task": ("task", "任务"),
    "task_fit": ("fit", "训练"),
    "task_evaluate": ("evaluate", "评估"),
    "task_rebuild": ("rebuild", "重建"),
    "state": ("state", "状态"),
    "waiting": ("waiting", "等待"),
    "running": ("running", "运行中"),
    "done": ("done", "完成"),
    "progress": ("progress", "进度"),
    "load_report": ("Load a report", "载入报告"),
    "load_means": (
        "A file that penchant evaluate wrote with --json. It is shown here and kept nowhere.",
        "penchant evaluate 用 --json 写出的文件。只在这里显示，不保存。",
    ),
    "choose_file": ("Choose a file …", "选择文件……"),
    "too_large": ("The file is too large or no JSON.", "文件太大或不是 JSON。"),
    "report_of": ("Report on {data}", "关于 {data} 的报告"),
    "how": ("How it was measured", "测量方法"),
    "model": ("model", "模型"),
    "metric": ("metric", "指标"),
    "line": ("line", "曲线"),
}
"""By key: English, Chinese."""
