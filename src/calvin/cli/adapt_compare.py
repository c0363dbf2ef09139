"""`calvin adapt-compare`: the paper's Table 4 on held-out puppet films."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calvin.cli.captioner import YES, opening
from calvin.cli.console import ProgressView, say

if TYPE_CHECKING:
    from calvin.captioners.calvin import Calvin
    from calvin.core.progress import Listener
    from calvin.lab.adapt_films import PresenceScore
    from calvin.lab.adapt_study import StudyConfig
    from calvin.lab.adapt_table import RowScore
    from calvin.studio.cast.characters import PresenceSettings

_HEAD = "CIDEr is the mean of films, each scored by itself; every row on the same scenes, none of them trained on."


def adapt_compare(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The CALVIN to adapt.", show_default="bundled")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of films, captions and tables.")] = Path(
        "adapt-compare"
    ),
    films: Annotated[int, typer.Option(min=2, help="Held-out films.")] = 10,
    scenes: Annotated[int, typer.Option(min=10, help="Described scenes a film.")] = 210,
    training_films: Annotated[int, typer.Option(min=1, help="Films on which the presence threshold is chosen.")] = 10,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    sizes: Annotated[str, typer.Option(help="Scenes to adapt to; the first is the main row.")] = "20,50",
    iterations: Annotated[str, typer.Option(help="Micro-batches; the first is the main row.")] = "100",
    rate: Annotated[
        float | None, typer.Option(help="Learning rate.", show_default="1e-5, more for small models")
    ] = None,
    metrics: Annotated[str, typer.Option(help="As in `calvin score`.")] = "cider,rouge",
    regularisation: Annotated[
        Path | None, typer.Option(help="From `calvin data regularisation`.", show_default="bundled")
    ] = None,
    part: Annotated[str, typer.Option(help="K/N: only the K-th of N shares of the runs, beside others.")] = "1/1",
    yes: YES = False,
) -> None:
    """Compare no context, entity prompts (by oracle and by bank) and few-shot tuning on held-out puppet films.

    A stopped run goes on where it was. Several processes share the work by --part, in one folder, once the first has
    drawn the films; the last to end, or a run without --part, prints the table. Figures 9 and 10 are a comparison of
    their own, as it scores the film minus 100.

    Examples:

        calvin adapt-compare --films 10 --seeds 3 -o adapt-compare

        calvin adapt-compare -o adapt-compare --part 1/2 & calvin adapt-compare -o adapt-compare --part 2/2

        calvin adapt-compare --films 10 --seeds 1 --iterations 100,25,50,200 --sizes 20,5,10,50,100 -o adapt-figures
    """
    from calvin.captioners.calvin import Calvin
    from calvin.core.files import write_json, write_text
    from calvin.lab.adapt_study import StudyConfig
    from calvin.lab.adapt_table import results_json
    from calvin.training.fewshot import adapt_config

    base = Calvin.from_pretrained(model, agree=opening(yes).agree)
    adapt = adapt_config(base.model.config)
    adapt = adapt.changed(loop=adapt.loop.changed(max_lr=rate)) if rate is not None else adapt
    config = StudyConfig.load(
        {"sizes": _numbers(sizes), "iterations": _numbers(iterations), "seeds": seeds, "adapt": adapt}, "adapt-compare"
    )
    share = _share_of(part)
    with ProgressView() as progress:
        compared = _compare(
            base, model, out, (films, scenes, training_films), config, regularisation, metrics, share, progress
        )
    if isinstance(compared, int):
        say(f"Part {part} is done; other parts have {compared} runs to go before there is a table.")
        return
    text = compared.text(training_films)
    write_text(out / "table.md", text + "\n")
    write_json(out / "results.json", {"rows": results_json(compared.scores), "presence": compared.presence})
    say(text)


@dataclass(frozen=True, slots=True)
class _Compared:
    scores: Sequence[RowScore]
    found: PresenceScore
    settings: PresenceSettings

    def text(self, training_films: int) -> str:
        from calvin.lab.adapt_table import gains, orderings, table

        found = self.found
        lines = [
            f"Who is there, by bank: precision {found.precision:.0%}, recall {found.recall:.0%} on {found.scenes} "
            f"held-out scenes, at threshold {self.settings.threshold:g}, chosen on {training_films} training films.",
            *(ordering.line() for ordering in orderings(self.scores)),
            *gains(self.scores),
        ]
        return "\n".join([table(self.scores), "", _HEAD, "", *(f"- {line}" for line in lines)])

    @property
    def presence(self) -> dict[str, Any]:
        facts = {"precision": self.found.precision, "recall": self.found.recall}
        return {**facts, "settings": self.settings.model_dump()}


def _compare(
    base: Calvin, model: str | None, out: Path, counts: tuple[int, int, int], config: StudyConfig,
    regularisation: Path | None, metrics: str, share: tuple[int, int], progress: Listener,
) -> _Compared | int:  # fmt: skip
    """`counts`: held-out films, their scenes, training films. A number: so many runs are other processes' to make."""
    from calvin.captioners.calvin import find_model
    from calvin.lab.adapt_films import TRAINING_SCENES, choose_settings, draw_films, score_presence, study_films
    from calvin.lab.adapt_study import Study
    from calvin.lab.adapt_table import score_study
    from calvin.lab.puppet_eval_set import puppet_names
    from calvin.studio.adapt.adaptation import regular_scenes

    films, scenes, training_films = counts
    # First what may be missing, then what takes long.
    regular = regular_scenes(base, regularisation, round(max(config.sizes) * config.adapt.regularisation))
    folder = find_model(model)
    settings = choose_settings(
        draw_films(out / "films", base, folder, "train", training_films, TRAINING_SCENES, progress), say
    )
    heldout = draw_films(out / "films", base, folder, "heldout", films, scenes, progress)
    puppets = study_films(heldout, settings, base.max_frames)
    study = Study(base, puppets.films, regular, config, out, progress)
    if left := study.run(*share):
        return left
    scores = score_study(study, puppet_names(), metrics.split(","), puppets.marks)
    return _Compared(scores, score_presence(heldout, settings), settings)


def _share_of(text: str) -> tuple[int, int]:
    from calvin.core.errors import UsageError

    part, slash, parts = text.partition("/")
    if not (slash and part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise UsageError(f"{text!r} is no share such as 1/2 (the first of two).")
    return int(part), int(parts)


def _numbers(text: str) -> tuple[int, ...]:
    from calvin.core.errors import UsageError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UsageError(f"{text!r} is no list of numbers such as 20,50.")
    return tuple(map(int, parts))
