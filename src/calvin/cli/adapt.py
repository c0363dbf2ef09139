"""`calvin pick` and `calvin adapt`: scenes for a person to describe, and a model tuned to one film from them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from calvin.cli.captioner import ADAPTED, LEARNING_RATE, LESSONS, YES, opening
from calvin.cli.console import ProgressView, say, warn, warn_all
from calvin.core.errors import UsageError
from calvin.core.text_tables import counted
from calvin.core.time import format_timecode
from calvin.data.readers.registry import READERS
from calvin.studio.script.writers import READABLE

if TYPE_CHECKING:
    from calvin.captioners.calvin import Calvin
    from calvin.model import CalvinConfig
    from calvin.studio.adapt.annotated_films import AnnotationFiles
    from calvin.studio.adapt.film_tuning import Adaptation
    from calvin.training.fewshot import AdaptConfig

DATA = Annotated[Path | None, Option("--data", "-d", help="Annotations of films, in place of a project.")]
FEATURES = Annotated[Path | None, Option(help="Frame vectors of these films, .h5 or .safetensors, or a folder.")]
FORMAT = Annotated[str | None, Option(help=f"Format of the annotations: {READERS.listed()}.", show_default="mad")]
ENCODER = Annotated[str | None, Option(help="The encoder of features that do not name theirs (MAD's).")]
CHARACTERS = Annotated[Path | None, Option(help="Cast by film, in the form of MAD's character bank.")]


def adapt(
    project: Annotated[
        Path | None, Argument(help="Project folder, described with the model.", show_default=False)
    ] = None,
    corrections: Annotated[
        Path | None,
        Option("--corrections", "-c", help=f"Corrections: {READABLE}.", show_default="approved cues"),
    ] = None,
    out: Annotated[Path, Option("--out", "-o", help="Folder of the adapter.")] = Path("adapted"),
    model: ADAPTED = None,
    regularisation: LESSONS = None,
    data: DATA = None,
    features: FEATURES = None,
    film: Annotated[str | None, Option(help="The film in the annotations.", show_default="the only one")] = None,
    scenes: Annotated[int | None, Option(help="Scenes of the annotations to learn.", min=2, show_default="20")] = None,
    format: FORMAT = None,
    encoder: ENCODER = None,
    characters: CHARACTERS = None,
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

    A film of a data set needs no project: --data and --features tune to one film of annotations, of which there need
    be no film file. The scenes that were not learnt are left in FOLDER/unseen.csv, for `calvin evaluate`.

    Examples:

        calvin adapt film.calvin --corrections corrections.csv -o adapted

        calvin describe film.calvin --adapter adapted

        calvin adapt --data mad-eval.csv --features mad.h5 --film 3074_THE_ROOMMATE --scenes 20 -m my-model -o adapted
    """
    from calvin.captioners.calvin import Calvin
    from calvin.studio.adapt.adaptation import adapt as adapt_project
    from calvin.studio.adapt.described_scenes import check_target

    files = annotation_files(data, features, format, encoder, characters)
    if not dry_run:
        _check_use(project, corrections, files, film, scenes)
    given = {"seed": seed, "steps": iterations, "max_lr": rate}
    changes = {name: value for name, value in given.items() if value is not None}
    if dry_run:
        _dry_run(model, changes, yes)
        return
    check_target(out)
    base = Calvin.from_pretrained(model, agree=opening(yes).agree)
    settings = settings_for(base.model.config, changes)
    if files is not None:
        made, after = _to_annotations(base, files, film, scenes or 20, out, settings, regularisation)
    else:
        assert project is not None
        with ProgressView() as progress:
            made = adapt_project(base, project, corrections, out, settings, regularisation, check, progress)
        after = f"calvin describe {project} --adapter {made.folder}"
    say(f"{made.folder}: adapted to {made.scenes} scenes")
    for effect in made.effects:
        for line in effect.lines():
            say(line)
    warn_all(made.notes)
    warn(f"Next: {after}")


def _to_annotations(
    base: Calvin, files: AnnotationFiles, film: str | None, scenes: int, out: Path, settings: AdaptConfig,
    regularisation: Path | None,
) -> tuple[Adaptation, str]:  # fmt: skip
    """The adapter, and the command that evaluates it on the scenes that were not learnt."""
    from calvin.studio.adapt.annotated_films import REST, adapt_to_annotations

    with ProgressView() as progress:
        made = adapt_to_annotations(base, files, film, scenes, out, settings, regularisation, progress)
    command = ["calvin", "evaluate", base.name, "--data", made.folder / REST, "--features", files.features]
    command += ["--encoder", files.encoder] if files.encoder else []
    command += ["--characters", files.characters] if files.characters else []
    return made, shlex.join(map(str, [*command, "--adapter", made.folder]))


def annotation_files(
    data: Path | None, features: Path | None, format: str | None, encoder: str | None, characters: Path | None
) -> AnnotationFiles | None:
    """What the options for annotated films name; None where none of them is given.

    Raises:
        UsageError: annotations without frame vectors, or one of the others alone.
    """
    from calvin.studio.adapt.annotated_films import AnnotationFiles

    if data is not None and features is not None:
        return AnnotationFiles(data, features, format or "mad", encoder, characters)
    if any(value is not None for value in (data, features, format, encoder, characters)):
        raise UsageError("A film of a data set takes both --data ANNOTATIONS and --features FILE.")
    return None


def _check_use(
    project: Path | None, corrections: Path | None, files: AnnotationFiles | None, film: str | None, scenes: int | None
) -> None:
    if (project is None) == (files is None):
        raise UsageError("Name either a project folder, or --data and --features of a film of a data set.")
    if files is not None and corrections is not None:
        raise UsageError("--corrections belong to a project: of a film of a data set, the annotations are learnt.")
    if files is None and (film is not None or scenes is not None):
        raise UsageError("--film and --scenes choose from annotations: give --data and --features too.")


def settings_for(config: CalvinConfig, changes: dict[str, Any]) -> AdaptConfig:
    """How to tune a model of this size, with some settings of the loop changed."""
    from calvin.training.fewshot import adapt_config

    settings = adapt_config(config)
    return settings.changed(loop=settings.loop.changed(**changes))


def _dry_run(model: str | None, changes: dict[str, Any], yes: bool) -> None:
    from calvin.captioners.hub import find_model
    from calvin.captioners.stage_adapters import base_of, prefix_tokens, stage_adapter
    from calvin.model.assemble import full_size_config
    from calvin.model.loading import CALVIN, load_config
    from calvin.training.fewshot import adapt_cost

    adapter = stage_adapter(model)
    folder = find_model(model, opening(yes).agree) if adapter is None else base_of(adapter)
    prefix = prefix_tokens(adapter) if adapter is not None else None
    own = load_config(folder, CALVIN, "a CALVIN")
    for name, config, learnt in ((model or "The bundled model", own, prefix), ("7B", full_size_config(), None)):
        say(f"{name}:")
        for line in adapt_cost(config, settings_for(config, changes), learnt):
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
