"""`calvin pick` and `calvin adapt`: scenes for a person to describe, and a model tuned to one film from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from calvin.cli.captioner import ADAPTED, LEARNING_RATE, LESSONS, YES, opening
from calvin.cli.console import ProgressView, say, warn, warn_all
from calvin.core.text_tables import counted
from calvin.core.time import format_timecode
from calvin.studio.script.writers import READABLE

if TYPE_CHECKING:
    from calvin.model import CalvinConfig
    from calvin.training.fewshot import AdaptConfig


def adapt(
    project: Annotated[Path, Argument(help="Project folder, described with the model.", show_default=False)],
    corrections: Annotated[
        Path | None,
        Option("--corrections", "-c", help=f"Corrections: {READABLE}.", show_default="approved cues"),
    ] = None,
    out: Annotated[Path, Option("--out", "-o", help="Folder of the adapter.")] = Path("adapted"),
    model: ADAPTED = None,
    regularisation: LESSONS = None,
    iterations: Annotated[int | None, Option(help="Micro-batches, of 10 scenes each.", show_default="100")] = None,
    rate: LEARNING_RATE = None,
    seed: Annotated[int, Option(help="The same seed gives the same adapter.")] = 0,
    check: Annotated[bool, Option(help="Tune a second time without a fifth of the scenes, to measure on it.")] = True,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Say how much memory and time it would take, at 7B too, and stop.")
    ] = False,
    yes: YES = False,
) -> None:
    """Tune the model to this film: its characters, and the way you write.

    About 20 scenes are enough (`calvin pick` proposes them). Corrections from a file become approved cues of the
    project; cues approved before are learnt too. Only what was trained is saved. `calvin describe PROJECT --adapter
    FOLDER` then rewrites the cues that nobody approved.

    Examples:

        calvin adapt film.calvin --corrections corrections.csv -o adapted

        calvin describe film.calvin --adapter adapted
    """
    from calvin.captioners.calvin import Calvin
    from calvin.studio.adapt import adaptation as studio
    from calvin.studio.adapt.described_scenes import check_target

    given = {"seed": seed, "steps": iterations, "max_lr": rate}
    changes = {name: value for name, value in given.items() if value is not None}
    if dry_run:
        _dry_run(model, changes, yes)
        return
    check_target(out)
    base = Calvin.from_pretrained(model, agree=opening(yes).agree)
    settings = settings_for(base.model.config, changes)
    with ProgressView() as progress:
        made = studio.adapt(base, project, corrections, out, settings, regularisation, check, progress)
    say(f"{made.folder}: adapted to {made.scenes} scenes")
    for effect in made.effects:
        for line in effect.lines():
            say(line)
    warn_all(made.notes)
    warn(f"Next: calvin describe {project} --adapter {made.folder}")


def settings_for(config: CalvinConfig, changes: dict[str, Any]) -> AdaptConfig:
    """How to tune a model of this size, with some settings of the loop changed."""
    from calvin.training.fewshot import adapt_config

    settings = adapt_config(config)
    return settings.changed(loop=settings.loop.changed(**changes))


def _dry_run(model: str | None, changes: dict[str, Any], yes: bool) -> None:
    from calvin.captioners.hub import find_model
    from calvin.model.assemble import full_size_config
    from calvin.model.loading import CALVIN, load_config
    from calvin.training.fewshot import adapt_cost

    own = load_config(find_model(model, opening(yes).agree), CALVIN, "a CALVIN")
    for name, config in ((model or "The bundled model", own), ("7B", full_size_config())):
        say(f"{name}:")
        for line in adapt_cost(config, settings_for(config, changes)):
            say(f"  {line}")


def pick(
    project: Annotated[Path, Argument(help="Project folder.", show_default=False)],
    count: Annotated[
        int | None, Option("--count", "-n", help="How many scenes.", show_default="20, or as many as there are")
    ] = None,
    out: Annotated[Path | None, Option("--out", "-o", help="CSV in which to correct the scenes.")] = None,
) -> None:
    """Propose the scenes that are most worth describing by hand.

    First come those in which each main character first appears, then those that differ most from them. Scenes that a
    person has described are left out, and the characters in them count as seen.

    The CSV holds the cues as they are: put your own words in the column `text`, then give the file to `calvin adapt
    --corrections`. A row that you leave as it is counts as approved; empty its text to leave it out.

    Example:

        calvin pick film.calvin -n 20 -o corrections.csv
    """
    from calvin.studio.adapt.scene_picks import pick_scenes, write_picks
    from calvin.studio.project.store import ProjectStore

    with ProjectStore(project, read_only=True) as store:
        picks = pick_scenes(store, count)
    if out is not None:
        write_picks(picks, out)
    for found in picks:
        say(f"{format_timecode(found.span.start_ms)} - {format_timecode(found.span.end_ms)}  {found.reason}")
        say(f"    {found.cue.text if found.cue else '(no cue)'}")
    if out is not None:
        say(f"{out}: {counted(len(picks), 'scene')} to correct")
