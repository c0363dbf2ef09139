"""The command `calvin`."""

from __future__ import annotations

import inspect
import io
import os
import sqlite3
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import dropwhile
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from calvin.cli.console import decorated, shown, warn
from calvin.core.errors import CalvinError
from calvin.core.package import __version__

_WrongUse: Any = typer.BadParameter.__base__
"""Typer's error for a wrong command line, which it does not name itself."""


class Command(TyperCommand):
    """Keeps the examples of plain help on one line each, so that they can be copied."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        for paragraph in inspect.cleandoc(self.help or "").split("\n\n"):
            formatter.write_paragraph()
            with formatter.indentation():
                if paragraph.startswith("    "):
                    formatter.write(f"{' ' * formatter.current_indent}{paragraph}\n")
                else:
                    formatter.write_text(paragraph)


class Group(TyperGroup):
    """Lists its commands in full in plain help too, and the panels of boxed help as headings there."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            about = " ".join((command.help or "").partition("\n\n")[0].split())
            panels.setdefault(getattr(command, "rich_help_panel", None) or "Commands", []).append((name, about))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


class Commands(Group):
    """Turns what goes wrong into one sentence and an exit code; `--debug` shows where it went wrong instead."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            warn("Stopped. What was finished is kept: the same command continues from there.")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our output has gone, as in `calvin ... | head`.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except _WrongUse as error:
            # It repeats what was typed, which may be a password or what a terminal obeys.
            error.message = shown(error.message)
            raise
        except (CalvinError, OSError, sqlite3.Error) as error:
            if ctx.params.get("debug"):
                raise
            warn(f"Error: {sentence(error)}")
            raise typer.Exit(getattr(error, "exit_code", 1)) from None


def sentence(error: BaseException) -> str:
    """What to tell a person about an error."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, sqlite3.Error):
        from calvin.studio.project.database import trouble

        return trouble(error)
    return " ".join(str(error).split())


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"calvin {__version__}")
        raise typer.Exit


def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Audio description for films: describe a film, train a model, prepare data."""


PANELS = {
    "Describe": {
        "demo": "demo:demo",
        "models": "models:models",
        "describe": "describe:describe",
        "catalogue": "catalogue:catalogue",
        "cast": "cast:cast",
        "studio": "studio:studio",
        "status": "status:status",
        "export": "import_export:export",
        "import": "import_export:import_script",
        "conform": "conform:conform",
        "approve": "undo_approve:approve",
        "restore": "undo_approve:restore",
        "credits": "undo_approve:credit",
        "undo": "undo_approve:undo",
        "lint": "lint:lint",
        "voice": "voice_mix:voice",
        "mix": "voice_mix:mix",
        "pick": "adapt:pick",
        "adapt": "adapt:adapt",
    },
    "Train and evaluate": {
        "train": "train:train",
        "evaluate": "evaluate:evaluate",
        "score": "score:score",
        "compare": "compare:compare",
        "evaluate-puppets": "evaluate_puppets:evaluate_puppets",
        "reproduce": "reproduce:reproduce",
        "adapt-compare": "adapt_compare:adapt_compare",
        "metrics": "metrics:app",
        "model": "model:app",
    },
    "Data and puppets": {"data": "data:app", "puppets": "puppets:app"},
}
"""The panels of `calvin --help`, each with its commands in the order of use, and where each is: module and name."""


def command_line(words: Sequence[str] = (), boxes: bool | None = None) -> typer.Typer:
    """All commands; if `words`, as on a command line, begin with one of them, that one alone, which starts sooner.

    Help and errors are in `boxes` (None: where they may be drawn), else in plain lines.
    """
    app = typer.Typer(
        name="calvin",
        cls=Commands,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown" if (decorated() if boxes is None else boxes) else None,
        epilog="Start with `calvin demo`, then `calvin describe FILM`.",
    )
    app.callback()(options)
    asked = next(dropwhile("--debug".__eq__, words), None)
    alone = any(asked in commands for commands in PANELS.values())
    for panel, commands in PANELS.items():
        for name, place in commands.items():
            if alone and name != asked:
                continue
            module, _, attribute = place.partition(":")
            command = getattr(import_module(f"calvin.cli.{module}"), attribute)
            if isinstance(command, typer.Typer):
                for one in command.registered_commands:
                    one.cls = Command
                app.add_typer(command, name=name, cls=Group, rich_help_panel=panel)
            else:
                app.command(name, cls=Command, rich_help_panel=panel)(command)
    return app


if TYPE_CHECKING:
    app: typer.Typer
else:

    def __getattr__(name: str) -> object:
        # The command `calvin` does not need them all.
        if name == "app":
            return globals().setdefault("app", command_line())
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    # PyTorch's threads wait for each other awake, and so take a core each from whatever else runs here: beside a busy
    # program, describing took two to three times its processor time. This is read when PyTorch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A film's name may hold what the terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    command_line(sys.argv[1:])()
