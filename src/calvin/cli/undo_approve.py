"""`calvin undo`, `restore`, `approve` and `credits`: what was done taken back, approved, put to names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calvin.cli.console import say, warn_all
from calvin.core.errors import UsageError
from calvin.core.text_tables import counted

if TYPE_CHECKING:
    from calvin.studio.script.script_files import Exported

PROJECT = Annotated[Path, typer.Argument(help="Project folder.", show_default=False)]


def undo(
    project: PROJECT,
    redo: Annotated[bool, typer.Option("--redo", help="Redo the step that was undone last.")] = False,
) -> None:
    """Take back the last change to a project: an import, an approval, a new description, a restored text, or words that
    `calvin voice` made fit. Given again, it takes back the change before that.

    `calvin status` names the last step. Until you change something else, `--redo` brings back what was undone.

    Examples:

        calvin undo film.calvin

        calvin undo film.calvin --redo
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.script.script_files import renew_exports

    with ProjectStore(project) as store:
        step = store.redo() if redo else store.undo()
        say(f"{'Redone' if redo else 'Undone'}: {step.what}, of {step.made_at[:16].replace('T', ' ')} UTC")
        renewed(renew_exports(store))


def restore(
    project: PROJECT,
    cue: Annotated[str, typer.Argument(help="Cue, such as cue-12.", show_default=False)],
    text: Annotated[
        int | None,
        typer.Option("--text", help="Its number in `calvin status --history`.", show_default="the one before", min=1),
    ] = None,
) -> None:
    """Bring back an earlier text of a cue, even if the cue was removed; the cue is then approved.

    Examples:

        calvin status film.calvin --history cue-12

        calvin restore film.calvin cue-12 --text 1
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.script.human_words import restore_text

    with ProjectStore(project) as store:
        found, exported = restore_text(store, cue.removeprefix("cue-"), text)
        say(f"cue-{found.id}: {found.text}")
        renewed(exported)


def approve(
    project: PROJECT,
    cues: Annotated[list[str] | None, typer.Argument(help="Cues, such as cue-12.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every cue but those marked as needing work.")] = False,
) -> None:
    """Approve cues as they are: no model changes them from then on.

    Examples:

        calvin approve film.calvin cue-12 cue-13

        calvin approve film.calvin --all
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.script.human_words import apply_plan, plan_approval

    if bool(cues) == everything:
        raise UsageError("Name the cues to approve, such as cue-12, or give --all.")
    with ProjectStore(project) as store:
        plan = plan_approval(store, [name.removeprefix("cue-") for name in cues] if cues else None)
        say(f"{counted(len(plan.changes), 'cue')} approved, {plan.unchanged} approved before")
        warn_all(plan.notes)
        if plan.changes:
            renewed(apply_plan(store, plan))


def credit(
    project: PROJECT,
    by: Annotated[str, typer.Option("--by", help="Who wrote and reviewed.", show_default=False)] = "",
    narrator: Annotated[str, typer.Option("--narrator", help="Who recorded cues.", show_default="as --by")] = "",
    text: Annotated[str, typer.Option("--text", help="The credits in your own words.", show_default="counted")] = "",
) -> None:
    """Add a last cue that says who wrote, reviewed and speaks the description, as the project counts it.

    It stands in the last silence that holds it, in the language of the description, and can be edited as any other
    cue. Given again, it says anew what is then so; `calvin undo` takes it back.

    Examples:

        calvin credits film.calvin --by "Mara Ng"

        calvin credits film.calvin --text "Description: Mara Ng for Example Films."
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.script.credit_cue import plan_credits
    from calvin.studio.script.human_words import apply_plan

    with ProjectStore(project) as store:
        plan = plan_credits(store, by, narrator, text)
        for line in plan.lines():
            say(line)
        warn_all(plan.notes)
        if plan.changes:
            renewed(apply_plan(store, plan))
            say("Run `calvin voice` to have it spoken.")


def renewed(exported: Exported) -> None:
    """Say which files of the script were written anew, and what stood in their place."""
    if exported.files:
        say(f"Written anew: {', '.join(map(str, exported.files))}")
    warn_all(exported.notes)
