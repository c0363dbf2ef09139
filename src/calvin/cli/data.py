"""`calvin data`: checking, cleaning and preparing data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from calvin.cli.captioner import YES, at_hand, opening
from calvin.cli.console import ProgressView, say, warn
from calvin.core.errors import UsageError
from calvin.core.types import FPS
from calvin.data.cleaning import CLEANING
from calvin.data.readers.registry import READERS, resolve_format
from calvin.encode import Form, Kind, SourceKind

if TYPE_CHECKING:
    from calvin.data import DropReport, ReadResult

app = typer.Typer(help="Check, clean and prepare data.", no_args_is_help=True)


TOWER = Annotated[str, Option("--model", "-m", help="Folder or id of a vision tower, or a CALVIN with one.")]
RATE = Annotated[float, Option("--fps", help="Frames per second to keep.")]
FRAMES_AT = Annotated[float | None, Option(help="Rate of stills in frame folders.", show_default="--fps")]


@app.callback()
def group() -> None:
    """Check, clean and prepare data."""


@app.command("features")
def features(
    source: Annotated[Path, Argument(help="A film, or the folder that holds the films, images or frames.")],
    output: Annotated[Path, Option("--out", "-o", help="Feature file to write: .h5 or .safetensors.")],
    model: TOWER,
    kind: Annotated[Kind, Option("--kind", "-k", help="What the folder holds.")] = "films",
    fps: RATE = FPS,
    frames_at: FRAMES_AT = None,
    yes: YES = False,
) -> None:
    """Turn films, clips, images or folders of frames into one vector per frame, in one file.

    Ids are paths below the folder, without suffix. What cannot be read is left out and counted. An interrupted .h5 is
    continued.

    Examples:

        calvin data features mad/videos --model openai/clip-vit-large-patch14 --out mad.h5

        calvin data features cc3m/images --kind images --model runs/micro/tower --out cc3m.h5

        calvin data features tvc/frames --kind frames --fps 3 --model runs/micro/tower --out tvc.h5
    """
    from calvin.encode.vectors import make_features

    tower = at_hand(model, yes)
    with ProgressView() as progress:
        report = make_features(source, tower, output, kind, fps, frames_at, progress)
    kept = f", {report.kept} of them from an earlier run" if report.kept else ""
    say(f"{report.path}: {report.ids} ids{kept}, {report.frames} frames encoded")
    _warn_of(report.drops)


FORMAT = Annotated[str, Option("--format", "-f", help=f"{READERS.listed()}.")]
ANNOTATIONS = Annotated[Path, Argument(metavar="PATH", help="Annotation file; for webdataset, tars.")]
LANGUAGE_MODEL = Annotated[
    str | None,
    Option("--model", "-m", help="smollm2, a folder, GGUF or hub id of a language model, or openai:URL#NAME."),
]
SHEET = Annotated[Path, Option("--out", "-o", help="CSV of the answers, which you can correct.")]


@app.command("check")
def check(
    path: ANNOTATIONS,
    format: FORMAT,
    features: Annotated[Path | None, Option(help="Feature file or folder that should cover it.")] = None,
    against: Annotated[list[str] | None, Option(help="mad-eval, or FORMAT:FILE of an evaluation set.")] = None,
    stage: Annotated[int, Option(min=1, max=2, help="Show prompts as in this stage.")] = 2,
    clean: Annotated[bool, Option(help=f"Clean as training does: {CLEANING.listed()}.")] = True,
    credits: Annotated[Path | None, Option(help="Answers of `calvin data tag-credits`.")] = None,
    max_bad: Annotated[float, Option(min=0, max=1, help="Share of broken samples that training allows.")] = 0.01,
) -> None:
    """Say what is in a data set, what training would leave out and why, and show five samples as the model sees them.

    The exit code is 1 where training would stop: too many broken samples, or films of an evaluation set.

    Examples:

        calvin data check mad/train.csv --format mad --features mad.h5 --against mad-eval

        calvin data check webvid.csv --format webvid
    """
    from calvin.data import SourceConfig
    from calvin.data.check import check_source

    config = SourceConfig(
        name=path.name, format=resolve_format(format, path), annotations=path, features=features or path,
        clean=clean, credits=credits, max_bad_share=max_bad,
    )  # fmt: skip
    found = check_source(config, features=features, against=against or (), stage=1 if stage == 1 else 2)
    for line in found.lines():
        say(line)
    if found.stops_training:
        warn("Training would stop on this.")
        raise typer.Exit(1)


@app.command("prepare")
def prepare(
    source: Annotated[Path, Argument(help="Folder of films, images or frame folders; or webdataset tars.")],
    output: Annotated[Path, Option("--out", "-o", help="Folder of the feature files.")],
    model: TOWER,
    kind: Annotated[SourceKind, Option("--kind", "-k", help="What the source holds.")] = "films",
    to: Annotated[Form, Option(help="h5 parts, or tars of vectors and captions.")] = "h5",
    annotations: Annotated[Path | None, Option(help="Only what this file describes, with its captions.")] = None,
    format: Annotated[str, Option("--format", "-f", help="Format of the annotations.")] = "webvid",
    fps: RATE = FPS,
    frames_at: FRAMES_AT = None,
    workers: Annotated[int, Option(min=0, help="Processes; 0 works in this one.")] = 2,
    batch: Annotated[int, Option(min=1, help="Pictures per forward pass.")] = 64,
    part_size: Annotated[int | None, Option(min=1, help="Items per part.", show_default="by kind")] = None,
    ray: Annotated[bool, Option("--ray", help="Share the work with Ray, on RAY_ADDRESS or here.")] = False,
    yes: YES = False,
) -> None:
    """Put a whole data set through the vision tower once, in parts, into feature files or tars ready for training.

    Run it again to continue: finished parts stay, and a worker that dies loses nothing. The files are the same with any
    number of workers, and with `--ray`.

    Examples:

        calvin data prepare tvc/frames --kind frames --fps 3 --model TOWER --out tvc-features

        calvin data prepare cc12m/shards --kind shards --to tar --model TOWER --out cc12m-features --ray
    """
    from calvin.encode.prepare import prepare as run

    samples = _read(annotations, format, scrub=True).samples if annotations else None
    tower = at_hand(model, yes)
    with ProgressView() as progress:
        report = run(
            source, tower, output, kind, form=to, fps=fps, folder_fps=frames_at, samples=samples,
            workers=workers, batch=batch, part_size=part_size, ray=ray, listener=progress,
        )  # fmt: skip
    kept = f", {report.kept} from an earlier run" if report.kept else ""
    say(f"{report.path}: {report.ids} ids, {report.frames} frames in {report.parts} parts{kept}")
    _warn_of(report.drops)


@app.command("tag-credits")
def tag_credits(
    path: ANNOTATIONS,
    format: FORMAT,
    out: SHEET,
    model: LANGUAGE_MODEL = None,
    films: Annotated[Path | None, Option(help="Folder of the films: words on screen help (extra ocr).")] = None,
    yes: YES = False,
) -> None:
    """Decide which of the described scenes are credits, in a CSV that you can correct.

    A language model decides, with a few annotated examples; without one, the words of the captions decide, or with
    `--films` the words on screen. Where an answer is wrong, write `credits` or `scene` in the column `correction`; it
    stays when the command is run again. A training source takes the file with `credits = "FILE"`.

    Examples:

        calvin data tag-credits mad/train.csv --format mad --out credits.csv

        calvin data tag-credits mad/train.csv --format mad --out credits.csv --model openai:http://localhost:8000/v1#llama
    """
    from calvin.captioners.registry import open_completer
    from calvin.data import KeywordCredits
    from calvin.data.screen_text import ScreenCredits
    from calvin.data.tagging import AnswerSheet, credits_rule, is_credit, judge_by

    result, sheet = _read(path, format), AnswerSheet.open(out)
    complete = open_completer(model, opening(yes), max_new_tokens=8) if model else None
    rule = credits_rule(ScreenCredits(films) if films else KeywordCredits())
    with ProgressView() as progress:
        judge = judge_by(rule, "words on screen" if films else "words", complete, model or "")
        answers = sheet.fill(result.samples, judge, progress)
    say(f"{out}: {sum(map(is_credit, answers))} of {len(answers)} scenes are credits")


@app.command("strip-entities")
def strip_entities(
    path: ANNOTATIONS,
    format: FORMAT,
    out: SHEET,
    model: LANGUAGE_MODEL = None,
    names: Annotated[Path | None, Option(help="Text file of names, one per line.")] = None,
    yes: YES = False,
) -> None:
    """Write each caption without names and identifying details, into a CSV that you can correct.

    Few-shot regularisation needs them. A language model rewrites with a few annotated examples; without one, names are
    found by their capitals and by what the other captions write in lower case.

    Example:

        calvin data strip-entities mad/train.csv --format mad --out nameless.csv
    """
    from calvin.captioners.registry import open_completer
    from calvin.data.entities import EntityStripper, entity_prompt, parse_entity
    from calvin.data.tagging import AnswerSheet, judge_by

    result, sheet = _read(path, format), AnswerSheet.open(out)
    complete = open_completer(model, opening(yes)) if model else None
    known = names.read_text(encoding="utf-8-sig").splitlines() if names else []
    rule = EntityStripper(known, (sample.caption for sample in result.samples)).captions
    with ProgressView() as progress:
        judge = judge_by(rule, "capitals", complete, model or "", entity_prompt, parse_entity)
        answers = sheet.fill(result.samples, judge, progress)
    changed = sum(answer.value != answer.caption for answer in answers)
    say(f"{out}: {changed} of {len(answers)} captions changed")


@app.command("regularisation")
def regularisation(
    annotations: Annotated[str, Argument(help="Annotations of a training set, or `puppets`.", show_default=False)],
    out: Annotated[Path | None, Option("--out", "-o", help="Output file.", show_default="ENCODER.safetensors")] = None,
    format: Annotated[str, Option("--format", "-f", help=f"{READERS.listed()}.")] = "mad",
    features: Annotated[Path | None, Option(help="Frame vectors of the films.")] = None,
    model: Annotated[
        str | None, Option("--model", "-m", help="The CALVIN to adapt, with `puppets`.", show_default="bundled")
    ] = None,
    encoder: Annotated[str | None, Option(help="The encoder of features that do not name theirs.")] = None,
    count: Annotated[int, Option("--count", "-n", min=2, help="How many scenes.")] = 200,
    frames: Annotated[int, Option(min=1, max=32, help="The most frames per scene.")] = 12,
    seed: Annotated[int, Option(help="The same seed draws the same scenes.")] = 0,
    yes: YES = False,
) -> None:
    """Draw scenes of films other than the one to adapt to, and take the names out of their captions (section 5.2).

    The file belongs to one vision encoder and is named after it. `puppets` draws puppet films for the model given.

    Examples:

        calvin data regularisation mad/train.csv --format mad --features mad.h5 -o regularisation.safetensors

        calvin data regularisation puppets --model runs/mini/model
    """
    from calvin.captioners.hub import find_model
    from calvin.data import FeatureStore, SourceConfig, read_samples
    from calvin.data.entities import EntityStripper
    from calvin.data.regularisation import file_name, write_regularisation
    from calvin.lab.material import draw_regularisation

    with tempfile.TemporaryDirectory() as folder, ProgressView() as progress:
        names: list[str] = []
        if annotations == "puppets":
            tower = find_model(model, opening(yes).agree)
            path, features, names = draw_regularisation(Path(folder), tower, seed, progress)
        else:
            path = Path(annotations)
        if features is None:
            raise UsageError("Give the frame vectors of these films with --features FILE.")
        source = SourceConfig(
            name=path.name, format=resolve_format(format, path), annotations=path, features=features, context=0
        )
        samples = read_samples(source).samples
        stripper = EntityStripper(names, [sample.caption for sample in samples])
        with FeatureStore.open(features, stated_encoder=(encoder, "") if encoder else None) as store:
            made_by = store.encoder
            if not made_by.id:
                raise UsageError(f"{features} does not say which encoder made it: name it with --encoder.")
            target = out or Path(file_name(made_by.hash or made_by.id.replace("/", "-")))
            written = write_regularisation(target, samples, store, made_by, stripper, count, frames, seed)
    say(f"{target}: {written} scenes of {made_by.id}, {target.stat().st_size / 2**20:.1f} MiB")


def _read(path: Path, format: str, scrub: bool = False) -> ReadResult:
    """Annotations as they are, with a warning about what could not be read."""
    from calvin.data import read, scrub_captions

    known = resolve_format(format, path)
    result = read(known, path)
    if scrub and "numbers" in READERS.find(known).cleaning:
        result = scrub_captions(result)
    _warn_of(result.report)
    return result


def _warn_of(report: DropReport) -> None:
    if report.total_dropped:
        warn(report.summary())
