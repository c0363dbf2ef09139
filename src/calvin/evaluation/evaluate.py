"""From a captioner and scenes, or from caption files, to results: captions, scores, card and report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calvin.captioners.answers import cleaning_note, count_cleanings
from calvin.captioners.base import Captioner
from calvin.core.errors import DataError
from calvin.core.files import locked
from calvin.core.progress import Listener, silent
from calvin.core.prompts import EVALUATION_QUESTION
from calvin.data import Sample
from calvin.evaluation.assistant import best_of
from calvin.evaluation.metrics.judged import KeptJudge
from calvin.evaluation.names import NameList, harvest
from calvin.evaluation.protocol import ProtocolCard, references_checksum
from calvin.evaluation.report import write_report
from calvin.evaluation.results import STRIP, EvaluatedScene, Results, claim, save_pictures, save_scores
from calvin.evaluation.scenes import Captioned, CaptionStore, Context, Pictures, caption_scenes, film_of
from calvin.evaluation.scoring import Judges, score_set
from calvin.evaluation.tables import CaptionTable, join

Judge = Callable[[str, Mapping[str, Any]], Mapping[str, float | None]]
"""(caption, structured truth) -> a mark for each aspect."""
POOLING = "all scenes pooled; beside it the mean of films, each scored by itself"


@dataclass(frozen=True)
class EvaluationJob:
    """What to evaluate a captioner on. `facts` are further fields of the protocol card (media, encoder, frames, beams).

    `truth` holds the structured truth of scenes by id, where there is any; `names` are all that are known.
    """

    split: str
    samples: Sequence[Sample]
    context: Context
    pictures: Pictures
    question: str = EVALUATION_QUESTION
    facts: Mapping[str, str] = field(default_factory=dict)
    truth: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    names: NameList | None = None
    notes: Sequence[str] = ()

    def scenes(self) -> list[EvaluatedScene]:
        return [
            EvaluatedScene(
                s.id, film_of(s), s.span.start_ms if s.span else None, s.span.end_ms if s.span else None,
                s.references or (s.caption,), s.entities, self.truth.get(s.id),
            )
            for s in self.samples
        ]  # fmt: skip


def evaluate(captioner: Captioner, job: EvaluationJob, folder: Path, listener: Listener = silent) -> Results:
    """Caption every scene into `folder`, continuing where an earlier run stopped. `finish` then scores.

    Raises:
        UsageError: the folder holds another evaluation.
        CalvinError: another process is evaluating into it.
        DataError: a scene lacks what the captioner needs.
    """
    scenes = job.scenes()
    card = ProtocolCard(
        references_sha256=references_checksum({scene.id: scene.references for scene in scenes}),
        split=job.split,
        scenes=len(scenes),
        context=job.context.words,
        question=job.question,
        pooling=POOLING,
        **job.facts,
    )
    results = Results(
        system_of(captioner, job.context), card, scenes, {}, names=job.names, notes=list(job.notes), folder=folder
    )
    with locked(folder):
        claim(results)
        store = CaptionStore(folder / "captions.jsonl")
        caption_scenes(captioner, job.samples, job.context, job.pictures, store, job.question, listener)
        save_pictures(folder, len(scenes), lambda index: job.pictures.stills(job.samples[index], STRIP), listener)
    results.captions = dict(store.kept)
    return results


def system_of(captioner: Captioner, context: Context) -> dict[str, str]:
    """What results say of the system that made them."""
    fingerprint = captioner.info.fingerprint
    return {"name": system_name(captioner), "fingerprint": fingerprint, "context": context.label}


def system_name(captioner: Captioner) -> str:
    """What tables call a captioner: its name, or the last two parts of the path of a model folder; and its adapter."""
    name, adapter = captioner.info.name, captioner.info.details.get("adapter", "")
    name = "/".join(Path(name).resolve().parts[-2:]) if Path(name).exists() else name
    return f"{name}+{adapter}" if adapter else name


def finish(
    results: Results,
    metrics: Sequence[str] | None = None,
    judge: Judge | None = None,
    device: str | None = None,
    listener: Listener = silent,
    judges: Judges | None = None,
    best: int | None = None,
) -> Results:
    """Score the captions of results. With a folder, also write scores and report into it. It needs no model.

    Args:
        judge: marks a caption against the structured truth of its scene.
        judges: the models for metrics that ask one; their answers are kept in the folder.
        best: of how many candidates the best is scored as well (see `assistant`).
    """
    pairs = results.pairs
    marks = (
        {s.id: judge(results.captions[s.id].text, s.truth) for s in results.scenes if s.truth is not None}
        if judge
        else None
    )
    names = results.names or harvest([*pairs.candidates, *(text for texts in pairs.references for text in texts)])
    present = {scene.id: scene.names for scene in results.scenes}
    if judges is not None and results.folder is not None:
        kept = tuple(KeptJudge(model, results.folder / "judgements.jsonl") for model in judges.models)
        judges = replace(judges, models=kept)
    results.scores = score_set(pairs, results.movies, metrics, names, present, marks, device, listener, judges)
    if best is not None:
        candidates = {key: caption.candidates for key, caption in results.captions.items()}
        more = best_of(pairs, candidates, best, results.movies, metrics, device)
        results.scores = replace(results.scores, measures=(*results.scores.measures, *more))
    facts = judges.facts(metrics or ()) if judges is not None else ""
    results.card = results.card.changed(bertscore=results.scores.bertscore_setting, judges=facts)
    results.notes = [*results.notes, *(note for note in _about(results) if note not in results.notes)]
    if results.folder is not None:
        save_scores(results)
        write_report(results, results.folder / "report.html")
    return results


def _about(results: Results) -> list[str]:
    """What to know about the captions: how many are empty, how many were cleaned."""
    captions, notes = results.captions.values(), []
    empty = sum(not caption.text.strip() for caption in captions)
    if empty:
        notes.append(f"{empty} of {len(captions)} captions are empty and score 0.")
    cleaned = cleaning_note(count_cleanings(caption.cleaned for caption in captions), len(captions))
    return [*notes, cleaned] if cleaned else notes


def from_files(
    predictions: CaptionTable,
    references: CaptionTable,
    card: Mapping[str, str] | None = None,
    names: NameList | None = None,
    allow_empty: bool = False,
) -> Results:
    """Results of a system known by its captions alone, not yet scored. Facts that nobody gives are "not stated".

    Args:
        card: fields of the protocol card that the caller vouches for.

    Raises:
        DataError: ids, captions or films do not fit together; everything that is wrong is counted.
        ConfigError: `card` holds an unknown field.
    """
    pairs = join(predictions, references, allow_empty=allow_empty)
    movies = {**predictions.movies, **references.movies}
    homeless = [identity for identity in pairs.ids if identity not in movies] if movies else []
    if homeless:
        raise DataError(
            f"{len(homeless)} of {len(pairs)} scenes belong to no film (such as {homeless[0]!r}), while others do: "
            "fill the column, or leave it out."
        )
    scenes = [
        EvaluatedScene(identity, movies.get(identity, ""), None, None, texts)
        for identity, texts in zip(pairs.ids, pairs.references, strict=True)
    ]
    stated = {
        "references_sha256": references_checksum(dict(zip(pairs.ids, pairs.references, strict=True))),
        "scenes": len(pairs),
        "pooling": POOLING,
    }
    captions = {identity: Captioned(identity, text) for identity, text in zip(pairs.ids, pairs.candidates, strict=True)}
    return Results(
        {"name": predictions.path.stem, "fingerprint": ""},
        ProtocolCard.load({**(card or {}), **stated}, "protocol card"),
        scenes,
        captions,
        names=names,
        notes=[*predictions.notes, *references.notes],
    )
