"""``penchant profile``: what is known of a user; what a user says; forget a user; rebuild all profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from penchant.app.cli.interest import interest_rows
from penchant.app.cli.options import At, Json, Level, SettingsFile, Url, open_engine
from penchant.app.cli.output import say_json, table, talk
from penchant.domain.event import Receipt
from penchant.errors import EventError

app = typer.Typer(
    help="What is known of a user; what a user says; forget a user; rebuild all profiles.", no_args_is_help=True
)
UserId: TypeAlias = Annotated[str, typer.Argument(help="The user.")]
TopicId: TypeAlias = Annotated[str, typer.Argument(help="The topic, with everything under it.")]
QuestionnaireFile: TypeAlias = Annotated[
    str, typer.Argument(metavar="QUESTIONNAIRE", help="A TOML file, or the name of a built-in questionnaire.")
]
_PURPOSES = "collect, personalise, share or research"
Until: TypeAlias = Annotated[str | None, typer.Option("--until", help="When it expires, ISO 8601 in UTC.")]
SaidAt: TypeAlias = Annotated[str | None, typer.Option("--at", help="When it was said, ISO 8601 in UTC; default: now.")]


@app.command()
def show(
    user_id: Annotated[str, typer.Argument(help="The user.")],
    at: At = None,
    n: Annotated[int, typer.Option("-n", help="How many interests.", min=1)] = 10,
    level: Level = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Show facts, behaviour and interests of a user."""
    with open_engine(url, settings) as engine:
        profile = engine.profile(user_id, at, n, level=level)
    if as_json:
        say_json(profile)
        return
    if not profile.known:
        talk.print(f"nothing is known of {user_id} at {profile.at:%Y-%m-%d %H:%M}Z", markup=False)
    if profile.facts:
        rows = [[name, fact.value, fact.source, f"{fact.at:%Y-%m-%d}"] for name, fact in profile.facts.items()]
        table(f"Facts about {user_id}", ["fact", "value", "source", "since"], rows)
    behaviour = profile.behaviour
    if behaviour.n_events:
        table(
            "Behaviour",
            ["events", "visits", "days since the last", "days between visits", "spend", "spend a visit"],
            [
                [
                    behaviour.n_events,
                    behaviour.n_sessions,
                    _figure(behaviour.recency_days),
                    _figure(behaviour.frequency_days),
                    f"{behaviour.spend:,.2f}",
                    _figure(behaviour.spend_per_session),
                ]
            ],
        )
    table("Interests", *interest_rows(profile.interests))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


@app.command()
def say(
    user_id: UserId,
    topic: TopicId,
    value: Annotated[float | None, typer.Option("--value", help="How much, from -1 to 1.", min=-1, max=1)] = None,
    dislike: Annotated[bool, typer.Option("--dislike", help="The same as --value -1.")] = False,
    scope: Annotated[Literal["always", "now"], typer.Option("--scope", help="For good, or a passing one.")] = "always",
    until: Until = None,
    at: SaidAt = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Take what a user says of a topic: likes it, or does not. It outranks what is inferred, and fades."""
    if dislike and value is not None:
        raise typer.BadParameter("give either --dislike or --value")
    strength = -1.0 if dislike else 1.0 if value is None else value
    with open_engine(url, settings) as engine:
        receipt = engine.say(user_id, topic, strength, scope=scope, until=until, at=at)
    _told(receipt, as_json, f"{user_id} says {strength:+g} of {topic}, {scope}")


@app.command()
def unsay(
    user_id: UserId,
    topic: TopicId,
    at: SaidAt = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Withdraw what a user said of a topic, for good and for now."""
    with open_engine(url, settings) as engine:
        receipt = engine.say(user_id, topic, 0.0, at=at) + engine.say(user_id, topic, 0.0, scope="now", at=at)
    _told(receipt, as_json, f"{user_id} says nothing of {topic} any more")


@app.command()
def mute(
    user_id: UserId,
    topic: TopicId,
    until: Until = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Stop recommending a topic to a user; it is still learned from."""
    with open_engine(url, settings) as engine:
        receipt = engine.mute(user_id, topic, until)
    _told(receipt, as_json, f"{topic} is not recommended to {user_id} any more")


@app.command()
def unmute(
    user_id: UserId,
    topic: TopicId,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Recommend a muted topic again."""
    with open_engine(url, settings) as engine:
        receipt = engine.unmute(user_id, topic)
    _told(receipt, as_json, f"{topic} may be recommended to {user_id} again")


@app.command()
def survey(
    questionnaire: QuestionnaireFile,
    post_to: Annotated[
        str, typer.Option("--post-to", help="Where the answers go: an address, or a path that begins with /.")
    ],
    user_id: Annotated[str | None, typer.Option("--user", help="Who answers; default: the form asks.")] = None,
    html: Annotated[Path, typer.Option("--html", help="Where to write the page.")] = Path("survey.html"),
) -> None:
    """Make a questionnaire into a web form: one HTML page that posts its answers as JSON."""
    from penchant.collect.questionnaire import Questionnaire
    from penchant.collect.survey_form import survey_form

    page = survey_form(Questionnaire.read(questionnaire), post_to, user_id)
    html.write_text(page, encoding="utf-8")
    talk.print(f"form: {html}", markup=False)


@app.command()
def answer(
    user_id: UserId,
    questionnaire: QuestionnaireFile,
    answers: Annotated[list[str], typer.Argument(help="QUESTION=ANSWER; several answers to one with | between them.")],
    at: SaidAt = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Take a user's answers to a questionnaire: interests, facts and consents follow from them."""
    from penchant.collect.questionnaire import Questionnaire

    asked = Questionnaire.read(questionnaire)
    given = dict(pair.partition("=")[::2] for pair in answers)
    with open_engine(url, settings) as engine:
        receipt = engine.answer_survey(user_id, asked, given, at)
    _told(receipt, as_json, f"{user_id} answered {len(given)} questions of {asked.name}: {receipt.accepted} events")


def _told(receipt: Receipt, as_json: bool, words: str) -> None:
    if receipt.refusals:
        raise EventError(receipt.refusals[0].reason)
    if as_json:
        say_json(receipt)
    else:
        talk.print(words, markup=False)


@app.command()
def consent(
    user_id: UserId,
    give: Annotated[list[str] | None, typer.Option("--give", help=f"{_PURPOSES}; may be given again.")] = None,
    withdraw: Annotated[list[str] | None, typer.Option("--withdraw", help=f"{_PURPOSES}; may be given again.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only of the data from this source.")] = None,
    version: Annotated[str | None, typer.Option("--version", help="Of the text that the user was shown.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="That text, or where it lies.")] = None,
    evidence: Annotated[str | None, typer.Option("--evidence", help="How it is known.")] = None,
    at: SaidAt = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Take what a user agrees to, or withdraws; then show what holds."""
    told = {"source": source, "version": version, "text": text, "evidence": evidence, "at": at}
    with open_engine(url, settings) as engine:
        for given, purposes in ((True, give), (False, withdraw)):
            for purpose in purposes or ():
                receipt = engine.consent(user_id, purpose, given, **told)
                if receipt.refusals:
                    raise EventError(receipt.refusals[0].reason)
        words = engine.consents(user_id)
    if as_json:
        say_json({"user_id": user_id, "consents": words})
        return
    rows = [
        [
            one.purpose,
            one.source or "all",
            "yes" if one.given else "no",
            "by default" if one.default else f"{one.at:%Y-%m-%d %H:%M}Z",
            one.version or "",
            one.evidence or "",
        ]
        for one in words
    ]
    table(f"What {user_id} agrees to", ["purpose", "source", "agrees", "since", "version", "evidence"], rows)


@app.command()
def export(
    purpose: Annotated[Literal["share", "research"], typer.Argument(help="What the export is for.")],
    folder: Annotated[Path, typer.Argument(help="Where the Parquet files go; made when missing, else empty.")],
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Write the log without the users who do not agree to the purpose, as Parquet files."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise typer.BadParameter(f"{folder} is not empty")
    events = files = 0
    with open_engine(url, settings) as engine:
        for files, frame in enumerate(engine.export_for(purpose), 1):
            frame.write_parquet(folder / f"events-{files:05}.parquet")
            events += frame.height
    if as_json:
        say_json({"purpose": purpose, "events": events, "files": files})
    else:
        talk.print(f"wrote {events:,} events in {files} files to {folder}", markup=False)


@app.command()
def forget(
    user_id: Annotated[str, typer.Argument(help="The user.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Erase a user from the log, the states and the population's counts; this cannot be undone."""
    if not yes:
        typer.confirm(f"Erase everything about {user_id} for good?", abort=True, err=True)
    with open_engine(url, settings) as engine:
        erased = engine.forget(user_id)
    if as_json:
        say_json({"user_id": user_id, "erased_events": erased})
    else:
        talk.print(f"erased {erased:,} events of {user_id}", markup=False)


@app.command()
def rebuild(
    fill_topics: Annotated[
        bool, typer.Option("--fill-topics", help="Give events that came before their item was known its topics.")
    ] = False,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Fold the whole log again; the profiles come out the same."""
    with open_engine(url, settings) as engine:
        folded = engine.rebuild(fill_topics)
    if as_json:
        say_json({"folded_events": folded})
    else:
        talk.print(f"folded {folded:,} events", markup=False)
