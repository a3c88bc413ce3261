"""A questionnaire as one HTML page: labelled, usable by keyboard and screen reader, without anything from elsewhere."""

from __future__ import annotations

from html import escape
from itertools import groupby
from urllib.parse import urlsplit

import msgspec

from penchant.collect.questionnaire import Question, Questionnaire
from penchant.errors import ConfigError

_STYLE = """
:root { color-scheme: light dark; font: 1.05rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 44rem; padding: 1rem; }
fieldset { border: 1px solid GrayText; border-radius: .4rem; margin: 1rem 0; padding: .6rem 1rem; }
legend, .ask { font-weight: 600; }
.ask { display: block; }
.scale, .row { display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: center; }
.choices label { display: block; }
label { padding: .25rem 0; }
input[type=radio], input[type=checkbox] { width: 1.2rem; height: 1.2rem; vertical-align: -.2rem; }
input[type=number], textarea { font: inherit; padding: .3rem; max-width: 100%; }
textarea { width: 100%; box-sizing: border-box; }
.help { color: GrayText; margin: .2rem 0; }
button { font: inherit; padding: .5rem 1.5rem; }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
#said { min-height: 1.5rem; font-weight: 600; }
"""
# The answers leave the page only by this script, and only to the one address.
_SCRIPT = """
"use strict";
const form = document.querySelector("form"), said = document.getElementById("said");
const told = JSON.parse(document.getElementById("told").textContent);
function answers() {
  const given = {};
  for (const field of form.querySelectorAll("[data-question]")) {
    const id = field.dataset.question, kind = field.dataset.kind;
    if (field.type === "radio" || field.type === "checkbox") {
      if (!field.checked) continue;
      if (kind === "choices") (given[id] ??= []).push(field.value);
      else given[id] = kind === "scale" ? Number(field.value) : field.value;
    } else if (field.value.trim() !== "") {
      given[id] = kind === "number" ? Number(field.value) : field.value;
    }
  }
  return given;
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  const user = form.elements.namedItem("user-id");
  const body = {
    questionnaire: told.questionnaire, version: told.version,
    user_id: told.user_id ?? user.value.trim(), at: new Date().toISOString(), answers: answers(),
  };
  button.disabled = true;
  said.textContent = told.sending;
  try {
    const reply = await fetch(form.action, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(reply.status + " " + reply.statusText);
    said.textContent = told.thanks;
  } catch (error) {
    said.textContent = told.failed + " (" + error.message + ")";
    button.disabled = false;
  }
  said.focus();
});
"""
_WORDS = {
    "en": {
        "send": "Send", "sending": "Sending …", "thanks": "Thank you. Your answers have arrived.", "yes": "yes",
        "failed": "Your answers could not be sent; they are still here. Try again", "no": "no", "required": "required",
        "user": "Your user name", "script": "This form needs JavaScript to send your answers.",
    },
    "zh": {
        "send": "提交", "sending": "正在提交……", "thanks": "谢谢，您的回答已收到。", "yes": "是",
        "failed": "提交失败，您的回答仍在本页。请重试", "no": "否", "required": "必填",
        "user": "您的用户名", "script": "提交回答需要启用 JavaScript。",
    },
}  # fmt: skip


def survey_form(questionnaire: Questionnaire, post_to: str, user_id: str | None = None) -> str:
    """Return the page, as HTML.

    What is sent reads ``{"questionnaire", "version", "user_id", "at", "answers": {question id: answer}}``, as JSON by
    POST: one line of what the format ``survey`` reads.

    Args:
        questionnaire: What is asked.
        post_to: Where the answers go: an ``http(s)`` address, or a path on the server that serves the page.
        user_id: Who answers; None: the form asks.

    Raises:
        ConfigError: When ``post_to`` is no such address.
    """
    parts = urlsplit(post_to)
    remote = parts.scheme in ("http", "https") and bool(parts.netloc)
    if not remote and (parts.scheme or parts.netloc or not post_to.startswith("/")):
        raise ConfigError(f"post_to is {post_to!r}; give https://host/path, or a path that begins with /")
    words = _WORDS.get(questionnaire.language.partition("-")[0], _WORDS["en"])
    connect = f"{parts.scheme}://{parts.netloc}" if remote else "'self'"
    if any(letter in connect for letter in "; ,"):
        raise ConfigError(f"post_to is {post_to!r}; its host holds a sign that no host has")
    told = {name: words[name] for name in ("sending", "thanks", "failed")} | {
        "questionnaire": questionnaire.name,
        "version": questionnaire.version,
        "user_id": user_id,
    }
    title = escape(questionnaire.title or questionnaire.name)
    asked = "" if user_id is not None else _user(words)
    # A quote of "<" keeps a text of the questionnaire from ending the script.
    data = msgspec.json.encode(told).decode().replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="{escape(questionnaire.language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; connect-src {escape(connect)}; form-action {escape(connect)}">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{escape(questionnaire.about.strip())}</p>
<noscript><p><strong>{escape(words["script"])}</strong></p></noscript>
<form action="{escape(post_to)}" method="post">
{asked}{_sections(questionnaire, words)}
<button type="submit">{escape(words["send"])}</button>
<p id="said" role="status" aria-live="polite" tabindex="-1"></p>
</form>
</main>
<script type="application/json" id="told">{data}</script>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _user(words: dict[str, str]) -> str:
    return (
        f'<p><label class="ask" for="user-id">{escape(words["user"])} ({escape(words["required"])})</label>'
        '<input id="user-id" name="user-id" required autocomplete="username"></p>\n'
    )


def _sections(questionnaire: Questionnaire, words: dict[str, str]) -> str:
    numbered = list(enumerate(questionnaire.questions))
    pieces = []
    for section, group in groupby(numbered, key=lambda pair: pair[1].section):
        pieces += [f"<h2>{escape(section)}</h2>"] if section else []
        pieces += [_asked(f"q{i}", question, words) for i, question in group]
    return "\n".join(pieces)


def _asked(name: str, question: Question, words: dict[str, str]) -> str:
    """Return one question with its fields."""
    text = escape(question.text) + (f" ({escape(words['required'])})" if question.required else "")
    help_id = f"{name}-help"
    remark = f'<p class="help" id="{help_id}">{escape(question.help)}</p>' if question.help else ""
    about = f' aria-describedby="{help_id}"' if question.help else ""
    marks = (
        f'data-question="{escape(question.id)}" data-kind="{question.kind}"{" required" if question.required else ""}'
    )
    if question.kind == "text":
        field = f'<textarea id="{name}" name="{name}" rows="3" maxlength="10000" {marks}{about}></textarea>'
        return f'<fieldset><label class="ask" for="{name}">{text}</label>{remark}{field}</fieldset>'
    if question.kind == "number":
        limited = {"low", "high"} & question.model_fields_set
        limits = f' min="{question.low}" max="{question.high}"' if limited else ""
        field = f'<input type="number" step="any" id="{name}" name="{name}"{limits} {marks}{about}>'
        return f'<fieldset><label class="ask" for="{name}">{text}</label>{remark}{field}</fieldset>'
    several = question.kind == "choices"
    if several:  # the browser cannot insist on one of several boxes
        marks = marks.removesuffix(" required")
    fields = "\n".join(
        f'<label for="{name}-{i}"><input type="{"checkbox" if several else "radio"}" id="{name}-{i}" name="{name}" '
        f'value="{escape(value)}" {marks}> {escape(shown)}</label>'
        for i, (value, shown) in enumerate(_offered(question, words))
    )
    kind = "scale" if question.kind == "scale" else "row" if question.kind in ("yes_no", "consent") else "choices"
    return f'<fieldset{about}><legend>{text}</legend>{remark}<div class="{kind}">\n{fields}\n</div></fieldset>'


def _offered(question: Question, words: dict[str, str]) -> list[tuple[str, str]]:
    """Return values and what is shown for them."""
    if question.kind in ("yes_no", "consent"):
        return [("yes", words["yes"]), ("no", words["no"])]
    if question.kind == "scale":
        ends = {question.low: question.low_text, question.high: question.high_text}
        return [(str(i), f"{i} – {ends[i]}" if ends.get(i) else str(i)) for i in range(question.low, question.high + 1)]
    return [(choice.value, choice.text or choice.value) for choice in question.choices]
