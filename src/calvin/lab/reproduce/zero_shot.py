"""Table 2: films of a kind that no model here was trained on, with the names of those in the scene in the prompt.

CALVIN stands beside the blind baseline and whatever captioners somebody names. The paper's own three video LLMs have
rows of their own, with the paper's numbers; to run one of them, name it as a captioner.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from calvin.captioners.base import Captioner, OpenOptions
from calvin.captioners.blind import smollm2_file
from calvin.captioners.calvin import Calvin
from calvin.captioners.decoding import CaptionDecoding
from calvin.captioners.hub import Agree, nobody_asked
from calvin.captioners.registry import open_captioner
from calvin.core.errors import UsageError
from calvin.core.progress import Listener, silent
from calvin.core.prompts import EVALUATION_QUESTION
from calvin.evaluation.evaluate import EvaluationJob
from calvin.evaluation.protocol import PUBLISHED
from calvin.evaluation.scenes import CaptionStore, Context, caption_scenes
from calvin.lab.evaluation_sets import FRESH_FILMS, PUPPET_SIZES, ZERO_SEED, ZERO_SET, DataOptions, make_job
from calvin.lab.reproduce.film_scores import ScoredScenes, opened, read_scores, score_captions
from calvin.lab.reproduce.findings import Findings, ScoredRow
from calvin.lab.reproduce.inference import CAPTION_SECONDS, chosen_rows, claimed_data
from calvin.lab.reproduce.orderings import BERT, CIDER, MEASURES, Ordering, PaperRow, above
from calvin.lab.reproduce.work_shares import Job, awaited, place_of
from calvin.puppets.draw.stage import DRAWING
from calvin.training.claim import claim_folder

TITLE = "Table 2: zero-shot, with the names of those in the scene"
OURS, BLIND = "calvin", "blind"
GIVEN = Context("entities-oracle")
OTHER_SECONDS = 1.5
"""Processor's seconds of a caption by the blind baseline, about; what another captioner takes is not known."""
_CLAIM = "CALVIN is above every other model by {}."
_PAPER = {
    CIDER: "CIDEr 38.9, next best 12.4",
    BERT: "BERTScore 52.16, next best 48.44",
    "ROUGE-L": "ROUGE-L 20.1, next best 15.8",
    "SPICE": "SPICE 14.27, next best 10.9",
}


def published_rows() -> list[PaperRow]:
    """The paper's rows of others' models, which are not run here."""
    return [
        PaperRow(row.system.lower(), "the paper's", row.system, row.mapping)
        for row in PUBLISHED["tvc"] if not row.system.startswith("CALVIN")
    ]  # fmt: skip


def orderings_against(others: Sequence[str], measures: Iterable[str]) -> list[Ordering]:
    """That CALVIN is above every other row, by each of the paper's measures; not among the nineteen that are counted.

    Section 4.1: "CALVIN outperforms all the baselines across all metrics".
    """
    found = [name for name in (CIDER, *(one for one in MEASURES if one != CIDER)) if name in set(measures)]
    if not others:
        return []
    return [
        Ordering(
            "table2", name.lower(), _CLAIM.format(name), f"Table 2: {_PAPER[name]}; section 4.1",
            above(OURS, *others), name, counted=False,
        )
        for name in found
    ]  # fmt: skip


def key_of_captioner(name: str) -> str:
    """What a captioner's row and folder are called: its name in letters that a folder may have, and a part of its hash,
    so that no two are one."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[-40:].strip("-")
    return f"{words}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class ZeroShotStudy:
    """CALVIN, the blind baseline and named captioners on films of another kind, or on a data set.

    Args:
        model: CALVIN's folder.
        captioners: further ones, as `open_captioner` takes them; one of kind `blind` takes the blind baseline's place.
        data: a data set in place of puppet films, with `films` for captioners that look at stills; there is then one
            seed.
        only: keys of rows; none: all.
    """

    folder: Path
    model: Path
    metrics: tuple[str, ...]
    seeds: int = 3
    captioners: tuple[str, ...] = ()
    data: DataOptions | None = None
    only: tuple[str, ...] = ()
    agree: Agree = nobody_asked

    @cached_property
    def systems(self) -> Mapping[str, str]:
        """The captioner of each row that is run, by the row's key. Those that were named come first: a name that
        cannot be opened is then told before the others have worked.

        Raises:
            UsageError: there is no such row.
        """
        named = {key_of_captioner(name): name for name in self.captioners if not _is_blind(name)}
        blind = next((name for name in self.captioners if _is_blind(name)), None)
        if blind is None and not missing_blind():
            blind = "blind:smollm2"
        every = {**named, OURS: str(self.model), **({BLIND: blind} if blind else {})}
        keys = chosen_rows(list(every), list(every), self.only)
        return {key: every[key] for key in keys}

    def jobs(self) -> list[Job]:
        """One for each captioner and seed."""
        captions = FRESH_FILMS * PUPPET_SIZES.scenes
        return [
            Job(key, seed, captions * (CAPTION_SECONDS if key == OURS else OTHER_SECONDS) / 60)
            for seed in range(self.seeds)
            for key in self.systems
        ]

    def perform(self, job: Job, place: Path, listener: Listener = silent) -> None:
        """
        Raises:
            CheckpointError: the captioner cannot be opened, or the folder holds captions of another.
            UsageError: the data set has no pictures for it.
        """
        captioner = self._captioner(job.what)
        info = captioner.info
        claim_folder(place, {"captioner": info.name, "weights": info.fingerprint, "seed": job.seed})
        with awaited(self.folder / "runs"):  # one process draws, the others read
            asked = make_job(self._options(captioner, job.seed), GIVEN, EVALUATION_QUESTION, captioner, listener)
        store = CaptionStore(place / "captions.jsonl")
        caption_scenes(captioner, asked.samples, asked.context, asked.pictures, store, asked.question, listener)
        texts = {sample.id: store.kept[sample.id].text for sample in asked.samples}
        card = {
            "split": asked.split, "scenes": len(asked.samples), "context": asked.context.words,
            "question": asked.question, **asked.facts, "model": info.fingerprint,
        }  # fmt: skip
        facts = {"seed": job.seed, "captioner": info.name}
        score_captions(texts, scored_scenes(asked), self.metrics, place, card, facts)

    def _captioner(self, key: str) -> Captioner:
        if key == OURS:
            return _plain(opened(self.model))
        return _opened(self.systems[key], self.agree)

    def _options(self, captioner: Captioner, seed: int) -> DataOptions:
        """The films of a seed; of a data set, those parts alone that the captioner reads."""
        if self.data is None:
            return DataOptions(zero_set(seed))
        if "frames" not in captioner.needs:
            return replace(self.data, films=None, stills_at=None)
        if self.data.films is None:
            raise UsageError(
                f"{captioner.info.name} looks at the scenes: name the folder of the films or clips in [evaluation] of "
                'the data file, clips = "FOLDER"; where they are folders of stills, also how many a second, stills_at.'
            )
        return self.data

    def findings(self, notes: Sequence[str] = (), facts: Mapping[str, str] | None = None) -> Findings:
        """The table as far as it is made, the paper's rows of others first, as there."""
        rows = [ScoredRow(row) for row in published_rows()]
        [ours] = [row.mapping for row in PUBLISHED["tvc"] if row.system.startswith("CALVIN")]
        for key in sorted(self.systems, key=lambda one: (one == OURS, one != BLIND)):
            label = "CALVIN" if key == OURS else self.systems[key]
            group = {OURS: "CALVIN", BLIND: "sees nothing"}.get(key, "named")
            places = [place_of(self, Job(key, seed)) for seed in range(self.seeds)]
            rows.append(ScoredRow(PaperRow(key, group, label, ours if key == OURS else {}), read_scores(places)))
        scored = {CIDER, *(measure for row in rows for measure in row.scores)}
        others = [key for key in self.systems if key != OURS]
        orderings = orderings_against(others, scored) if OURS in self.systems else []
        return Findings("table2", TITLE, rows, notes, facts or {}, orderings=orderings)

    def claim(self) -> dict[str, object]:
        """What the folder is recognised by. Captioners may come to it later."""
        return {
            "target": "table2", "model": opened(self.model).fingerprint, "data": claimed_data(self.data),
            "drawing": DRAWING, "metrics": list(self.metrics),
        }  # fmt: skip


def zero_set(seed: int) -> str:
    """The name of a seed's films: the fixed set, then others drawn in the same way."""
    return ZERO_SET if seed == 0 else f"{ZERO_SET}:{ZERO_SEED + seed}"


def missing_blind() -> str:
    """Why the bundled blind baseline cannot be run here; nothing where it can."""
    try:
        smollm2_file()
    except UsageError as error:
        return str(error)
    return ""


def scored_scenes(asked: EvaluationJob) -> ScoredScenes:
    """What an evaluation scores on, in the form that tables and figures are scored in."""
    return ScoredScenes(asked.split, asked.samples, asked.pictures.features, asked.names, asked.truth)


@lru_cache(maxsize=1)
def _opened(name: str, agree: Agree) -> Captioner:
    """A captioner, kept for its runs with other seeds; of two large ones one is in memory."""
    return _plain(open_captioner(name, OpenOptions(agree)))


def _plain(captioner: Captioner) -> Captioner:
    """A CALVIN set to the paper's plain beam search; others search in their own way."""
    if isinstance(captioner, Calvin):
        captioner.decoding = CaptionDecoding(rules=())
    return captioner


def _is_blind(name: str) -> bool:
    return name == BLIND or name.startswith(f"{BLIND}:")
