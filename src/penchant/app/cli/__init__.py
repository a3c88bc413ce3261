"""The command ``penchant``: one subcommand a room, and ``demo``.

Exit codes: 0 done; 1 refused (bad data, missing file, unknown name); 2 wrong usage.
"""

from __future__ import annotations

import sys

import typer
from typer.core import TyperGroup

from penchant.app.cli import collect, demo, evaluate, interest, mcp, process, profile, recommend, serve
from penchant.app.cli.output import talk
from penchant.errors import PenchantError


class InOrder(TyperGroup):
    """Lists the commands in the order of the six rooms, then the servers and the demonstration."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the names of the commands in the order of the help text."""
        return ["collect", "process", "profile", "interest", "recommend", "evaluate", "serve", "mcp", "demo"]


app = typer.Typer(
    name="penchant",
    cls=InOrder,
    help="Live, dated, explainable interest profiles from what people do, say and connect with.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="collect")(collect.collect)
app.command(name="process")(process.process)
app.add_typer(profile.app, name="profile")
app.add_typer(interest.app, name="interest")
app.add_typer(recommend.app, name="recommend")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(serve.app, name="serve")
app.command(name="mcp")(mcp.mcp)
app.command(name="demo")(demo.demo)


def _version(wanted: bool) -> None:
    if wanted:
        from penchant import __version__

        print(f"penchant {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Live, dated, explainable interest profiles from what people do, say and connect with."""


def main() -> None:
    """Run the command; errors that penchant raises on purpose become one line and exit code 1."""
    try:
        app()
    except PenchantError as error:
        talk.print(f"penchant: {error}", style="red", markup=False)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
