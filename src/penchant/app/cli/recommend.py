"""``penchant recommend``: a list for a user, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import typer

from penchant.app.cli.options import At, Json, SettingsFile, Url, open_engine
from penchant.app.cli.output import data, say_json, table, talk

app = typer.Typer(help="A list for a user, and why.", no_args_is_help=True)

N = TypeVar("N", int, float)


def pairs(given: list[str] | None, option: str, number: Callable[[str], N]) -> list[tuple[N, str]]:
    """Return what options of the form "NUMBER WHAT" say."""
    answer = []
    for text in given or []:
        first, _, rest = text.strip().partition(" ")
        try:
            answer.append((number(first), rest.strip()))
        except ValueError:
            raise typer.BadParameter(f"{text!r} does not begin with a number", param_hint=option) from None
        if not rest.strip():
            raise typer.BadParameter(f"{text!r} says nothing after the number", param_hint=option)
    return answer


@app.command("list")
def list_(
    user_id: Annotated[str, typer.Argument(help="The user; may be unknown.")],
    n: Annotated[int, typer.Option("-n", help="How many.", min=1)] = 10,
    at: At = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="One source only (recent, interest, popular …), or one item model that was fitted."),
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Item to leave out; may be given again.")] = None,
    filter: Annotated[
        str | None, typer.Option(help="""Only items for which this holds: 'price < 20 and not topic = "ALCOHOL"'.""")
    ] = None,
    boost: Annotated[
        list[str] | None, typer.Option(help="""A factor and a filter: '1.5 brand = "Own"'; may be given again.""")
    ] = None,
    pin: Annotated[list[str] | None, typer.Option(help="A position and an item: '1 abc'; may be given again.")] = None,
    at_most: Annotated[
        list[str] | None,
        typer.Option(help="A number and an attribute, or topic: '3 department', of each value; may be given again."),
    ] = None,
    at_least: Annotated[
        list[str] | None, typer.Option(help="A number and a filter: '2 organic = true'; may be given again.")
    ] = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Recommend items to a user, each with its source, reason and evidence."""
    boosts = {what: factor for factor, what in pairs(boost, "--boost", float)}
    pins = {what: position for position, what in pairs(pin, "--pin", int)}
    quota: list[dict[str, Any]] = [{"by": what, "at_most": number} for number, what in pairs(at_most, "--at-most", int)]
    quota += [{"when": what, "at_least": number} for number, what in pairs(at_least, "--at-least", int)]
    with open_engine(url, settings) as engine:
        slate = engine.recommend(
            user_id, n, at, exclude=exclude, strategy=strategy, filter=filter, boost=boosts, pin=pins, quota=quota
        )
    if as_json:
        say_json({"user_id": user_id, "recommendations": slate})
        return
    if not slate:
        talk.print("nothing to recommend: the catalogue is empty, or everything is excluded", markup=False)
    table(
        f"For {user_id}",
        ["", "item", "title", "score", "source", "why"],
        [
            [i + 1, one.item_id, one.title or "", f"{one.score:.3f}", one.source, one.reason]
            for i, one in enumerate(slate)
        ],
    )


@app.command()
def ask(
    n: Annotated[int, typer.Option("-n", help="How many.", min=1)] = 5,
    items: Annotated[bool, typer.Option("--items", help="Ask about items, not about topics.")] = False,
    yes: Annotated[
        list[str] | None, typer.Option(help="A topic or item answered with yes; may be given again.")
    ] = None,
    no: Annotated[list[str] | None, typer.Option(help="One answered with no; may be given again.")] = None,
    user: Annotated[str | None, typer.Option(help="Keep the answers as this user's.")] = None,
    at: At = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Print the questions to a new user whose answers would tell most, after the answers so far."""
    answers = {**dict.fromkeys(yes or (), True), **dict.fromkeys(no or (), False)}
    kind: Literal["topic", "item"] = "item" if items else "topic"
    with open_engine(url, settings) as engine:
        questions = engine.onboarding(n, kind=kind, answers=answers, at=at)
        if user is not None and answers:
            engine.answer(user, answers, kind, at)
    if as_json:
        say_json({"questions": questions})
        return
    if not questions:
        talk.print("no questions: too few users are known, or all have been answered", markup=False)
    table(
        "Do you take it?" if items else "Do you like it?",
        ["", "id", "what", "bits", "yes"],
        [[i + 1, one.id, one.text, f"{one.gain_bits:.3f}", f"{one.yes:.0%}"] for i, one in enumerate(questions)],
    )


@app.command()
def explain(
    user_id: Annotated[str, typer.Argument(help="The user.")],
    item_id: Annotated[str, typer.Argument(help="The item.")],
    at: At = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Say why an item is, or is not, recommended to a user."""
    with open_engine(url, settings) as engine:
        explanation = engine.explain(user_id, item_id, at)
    if as_json:
        say_json(explanation)
        return
    place = f" (place {explanation.rank})" if explanation.rank else ""
    data.print(f"{explanation.verdict.replace('_', ' ')}{place}: {explanation.reason}", markup=False)
    for topic, p in explanation.topics.items():
        data.print(f"  {topic}: {p:.1%} of what comes next", markup=False)
    if explanation.recommendation and explanation.recommendation.evidence:
        data.print(f"  evidence: {', '.join(explanation.recommendation.evidence)}", markup=False)
    for name, up in explanation.recommendation.moves.items() if explanation.recommendation else ():
        data.print(f"  {name}: {abs(up)} place{'' if abs(up) == 1 else 's'} {'up' if up > 0 else 'down'}", markup=False)
