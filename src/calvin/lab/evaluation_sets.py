"""What `calvin evaluate` evaluates on: puppet-eval, MAD-eval-named, TVC, or a file of annotations.

Puppet-eval is 25 held-out puppet films, drawn again from their seed and checked against pinned hashes. Recipes were
chosen by looking at its figures, so it is a development set. `puppets:SEED` is ten others, drawn from that seed, for
figures that nobody can have tuned for; the seed of a model's test films is made of its weights. Puppet-zero is drawn in
another style and told by another narrator in other words, which no recipe trains on: the counterpart of Table 2.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calvin.captioners.base import Captioner, FeatureCaptioner, still_size
from calvin.core.errors import DataError, UsageError
from calvin.core.files import file_sha256
from calvin.core.progress import Listener, silent
from calvin.core.types import FRAME_SIZE, LARGE_SIZE
from calvin.data import Features, FeatureStore, Sample, read_mad_csv
from calvin.data.readers.registry import READERS, resolve_format
from calvin.data.sources import MAX_BAD_SHARE, read_entities
from calvin.encode.film_cache import FilmCache
from calvin.evaluation.evaluate import EvaluationJob
from calvin.evaluation.names import NameList, from_names, harvest, read_cast, read_roles
from calvin.evaluation.scenes import Context, Pictures, evaluated, film_of, with_bank, with_oracle
from calvin.lab.material import truth_score
from calvin.media.film.sampling import LongerSide
from calvin.puppets.draw.render import SceneRenderer
from calvin.puppets.draw.stage import DRAWING
from calvin.puppets.lexicon import NAMES
from calvin.puppets.tell.other_words import in_usual_words
from calvin.puppets.tell.screenplay import make_film
from calvin.puppets.truth import SceneTruth, read_told
from calvin.puppets.world import CLIP_SIZE, ZERO, WorldSizes, write_world, write_zero_world

PUPPETS, ZERO_SET, MAD, TVC, CMD, TV = "puppet-eval", "puppet-zero", "mad-named", "tvc", "cmd-ad", "tv-ad"
_NAMED = {MAD: "mad_csv", TVC: "tvc", CMD: "cmd_ad", TV: "tv_ad"}
"""Published sets and the formats of their annotations."""
_FRESH = re.compile(r"(puppets|puppet-zero):(\d{1,9})")
_FORMATS = {".csv": "mad_csv", ".json": "mad_v1", ".jsonl": "tvc"}
_PAPER_MAD = (6520, 10)
_CMD_SCENES = 7316
"""Of CMD-AD's evaluation set, as the README of DANTE-AD tells, whose own cut has 7,075."""
_ISOLATED = "{} has isolated moments, without scenes before them: choose --context none or entities-oracle."
_NO_BANK = (
    "Give --entities FILE, which says who is in each scene: the presence.jsonl that `calvin describe FILM "
    '--cast CAST` leaves in its project, or lines such as {"movie": "0001_A_Film", "start": 12.4, "end": 14.9, '
    '"names": ["Ann"]}, one for every scene.'
)

PUPPET_SEED = 77
"""Recipes train on films from seed 0. The lengths, rates and shares of `mini` were chosen by figures on these."""
PUPPET_SIZES = WorldSizes(films=25, scenes=20, clips=0, images=0, conversations=0, tv_clips=0)
FRESH_FILMS = 10
ZERO_SEED = 88
ZERO_SHA256 = "2207c7a770521fd3fa1c802ed55cb01b2b8fd0a613d51ec10525b9f8764d4ca0"
ANNOTATIONS_SHA256 = "31773684588f716e34c167ba6dc5f8179eccd421ee8b68db6aa46349a8d50774"
PICTURES_SHA256 = {
    1: "7dca1e21719a6c86f21641a55c50804ff0af554d18efbda16ebe904ffd35407a",
    2: "ddb3c72ca49c9840be9d4e48ce9d31f73c9ff2508c0bf062243013714cb05ec0",
}[DRAWING]


@dataclass(frozen=True)
class DataOptions:
    """Where the parts of a data set are. Which of them are needed depends on the set."""

    data: str
    annotations: Path | None = None
    format: str | None = None
    features: Path | None = None
    encoder: str | None = None
    films: Path | None = None
    stills_at: float | None = None
    characters: Path | None = None
    entities: Path | None = None
    frames: int = 32
    limit: int | None = None

    def check(self, context: Context | None = None) -> None:
        """See that what is named is there and fits, before a model is opened for it.

        Raises:
            UsageError: a file or folder that is not there, a format that is unknown or cannot be told, an option that
                the data set or the context has no use for, or lacks.
            DataError: who is in the scenes, or in the films, cannot be read.
        """
        parts = ("annotations", "features", "films", "characters", "entities")
        for name in parts:
            path = getattr(self, name)
            if path is not None and not Path(path).exists():
                raise UsageError(f"--{name}: there is no {path}.")
        if is_drawn(self.data):
            unused = [name for name in ("annotations", "format", "films", "stills_at", "characters")
                      if getattr(self, name) is not None]  # fmt: skip
            if unused:
                words = " and ".join(f"--{name.replace('_', '-')}" for name in unused)
                raise UsageError(f"{self.data} brings films of its own: leave {words} out, or name another --data.")
        else:
            path = _annotations_of(self)
            manifest = READERS.find(_format_of(self, path))
            if not path.exists():
                raise UsageError(f"There is no data set or file {path}: name one that `calvin evaluate --help` lists.")
            if context is not None and context.kind == "scenes" and context.count and not manifest.contextual:
                raise UsageError(_ISOLATED.format(path.name if self.data == str(path) else self.data))
        if self.films is not None and not self.films.is_dir():
            raise UsageError(f"--films: {self.films} is a file; give the folder of the films.")
        if self.stills_at is not None and not 0 < self.stills_at <= 1000:
            raise UsageError(f"--stills-at is a number of stills a second above 0, such as 3, not {self.stills_at:g}.")
        if context is not None:
            self._check_names(context)

    def _check_names(self, context: Context) -> None:
        """See that who is there is known where the context asks for it, and can be read."""
        if context.kind == "entities-bank":
            if self.entities is None:
                raise UsageError(_NO_BANK)
            read_entities(self.entities)
        elif self.entities is not None:
            raise UsageError("--entities goes with --context entities-bank: add that, or leave the file out.")
        if self.characters is not None:
            read_cast(self.characters)


@dataclass
class _Set:
    """A data set that was read."""

    split: str
    samples: list[Sample]
    contextual: bool = True
    characters: Path | None = None
    films: Path | None = None
    media: str = ""
    truth: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    names: NameList | None = None
    notes: list[str] = field(default_factory=list)


def cache_folder() -> Path:
    """Where films that were drawn or decoded for evaluation are kept: $XDG_CACHE_HOME/calvin or ~/.cache/calvin."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "calvin" / "evaluation"


def make_job(
    options: DataOptions, context: Context, question: str, captioner: Captioner, listener: Listener
) -> EvaluationJob:
    """Read the data set, attach names where the context asks for them, and make its pictures ready.

    Raises:
        UsageError: a part that is needed was not given.
        DataError: a part does not fit.
    """
    found = _puppets(options.data, listener) if is_drawn(options.data) else _annotated(options)
    if context.kind == "scenes" and context.count and not found.contextual:
        raise UsageError(_ISOLATED.format(found.split))
    if context.kind == "entities-bank" and options.entities is None:
        raise UsageError(_NO_BANK)
    samples = evaluated(found.samples)[: options.limit]
    split = found.split if options.limit is None else f"{found.split}, first {len(samples)} scenes"
    texts = [text for sample in samples for text in sample.references]
    cast, everyone = read_cast(found.characters, texts) if found.characters else ({}, harvest(texts))
    if context.kind == "entities-bank":
        assert options.entities is not None
        roles = read_roles(found.characters) if options.characters is not None and found.characters else None
        samples = with_bank(samples, options.entities, roles)
    elif context.kind == "entities-oracle":
        samples = with_oracle(samples, cast, everyone)
        found.notes.append(f"Names by oracle: {everyone.source}.")
    pictures, facts = _pictures(replace(options, films=found.films), samples, captioner, listener)
    found.notes.extend(_past_the_end(samples, pictures.features))
    names = found.names or (everyone if found.characters else None)
    return EvaluationJob(
        split,
        samples,
        context,
        pictures,
        question,
        {"media": found.media, "cut": cut_of(samples) if options.data in _NAMED else "", **facts},
        found.truth,
        names,
        found.notes,
    )


def is_drawn(data: str) -> bool:
    """Whether a set of this name is drawn, and brings its own films."""
    return data in (PUPPETS, ZERO_SET) or _FRESH.fullmatch(data) is not None


def _puppets(data: str, listener: Listener) -> _Set:
    fresh = _FRESH.fullmatch(data)
    name, seed = data.replace(":", "-"), int(fresh[2]) if fresh else None
    folder = cache_folder() / name
    if data.startswith(ZERO_SET):
        drawn = draw_puppet_zero(folder, listener, seed)
    else:
        drawn = draw_puppet_eval(folder, listener) if seed is None else draw_fresh_puppets(seed, folder, listener)
    bank, films = drawn.folder / "characters.json", drawn.folder / "videos"
    return _Set(name, drawn.samples, True, bank, films, drawn.media, drawn.truth, puppet_names(), list(drawn.notes))


def _annotations_of(options: DataOptions) -> Path:
    path = options.annotations if options.data in _NAMED else Path(options.data)
    if path is None:
        raise UsageError(f"{options.data} cannot be shipped with calvin: give its annotations with --annotations FILE.")
    return path


def _format_of(options: DataOptions, path: Path) -> str:
    """The name of the reader."""
    default = _NAMED.get(options.data) or _FORMATS.get(path.suffix.lower())
    if options.format is None and default is None:
        raise UsageError(f"The name of {path} does not say its format: give it with --format.")
    return resolve_format(options.format or default or "", path)


def _annotated(options: DataOptions) -> _Set:
    """A data set from files of annotations."""
    path = _annotations_of(options)
    manifest = READERS.find(_format_of(options, path))
    result = manifest.load()(path)
    found = _Set(
        options.data if options.data in _NAMED else path.stem,
        result.samples,
        manifest.contextual,
        options.characters,
        options.films,
    )
    if result.report.total_dropped or result.report.repaired:
        found.notes.append(f"{path.name}: " + "; ".join(result.report.summary().splitlines()) + ".")
    if options.data == MAD:
        held = (len(result.samples), len({film_of(sample) for sample in result.samples}))
        if held != _PAPER_MAD:
            found.notes.append(
                f"MAD-eval-named has {_PAPER_MAD[0]:,} scenes in {_PAPER_MAD[1]} films; this file gives {held[0]:,} in "
                f"{held[1]}: it is another version or a part, and its scores are not those of the paper's set."
            )
    if options.data == CMD and len(result.samples) != _CMD_SCENES:
        found.notes.append(
            f"CMD-AD's evaluation set has {_CMD_SCENES:,} scenes (DANTE-AD scores a cut of 7,075); this file gives "
            f"{len(result.samples):,}: its scores are not those of either set."
        )
    return found


def cut_of(samples: Sequence[Sample]) -> str:
    """Which scenes are evaluated: how many films and files, and a hash of every file and time."""
    digest = hashlib.sha256()
    for row in sorted(f"{s.media_id} {s.span.start_ms}-{s.span.end_ms}" if s.span else s.media_id for s in samples):
        digest.update(f"{row}\n".encode())
    films, files = len({film_of(s) for s in samples}), len({s.media_id for s in samples})
    return f"{len(samples)} scenes, {films} films, {files} files, times {digest.hexdigest()[:16]}"


def _pictures(
    options: DataOptions, samples: list[Sample], captioner: Captioner, listener: Listener
) -> tuple[Pictures, dict[str, str]]:
    """Where the visual comes from, and what the protocol card says of it."""
    needs = captioner.needs
    reader = captioner if isinstance(captioner, FeatureCaptioner) and "features" in needs else None
    most = min(options.frames, reader.max_frames) if reader else options.frames
    wanted = list(dict.fromkeys(sample.media_id for sample in samples))
    stored = _stored(options.features, options.encoder, wanted, reader) if reader and options.features else None
    if options.films is None and ("frames" in needs or (reader and stored is None)):
        what = "the films (--films FOLDER)" if "frames" in needs else "--features FILE or the films (--films FOLDER)"
        raise UsageError(f"{captioner.info.name} needs to see the scenes: give {what}.")
    cache, size = None, still_size(captioner) if reader is None else None
    if options.films is not None:
        cache = _cache(options.films, options.stills_at, reader if stored is None else None, size)
        cache.prepare(wanted, listener)
    features: Features | None = stored if stored is not None else cache if reader else None
    fps = stored.fps if stored is not None else cache.fps if cache else 0.0
    large = f", up to {size} pixels" if size else ""
    facts = {
        "encoder": f"{reader.encoder.id} {reader.encoder.hash[:12]}" if reader else "",
        "frames": f"at most {most}, evenly spread, of {fps:g} a second{large}" if needs else "none",
        **{name: captioner.info.details.get(name, "") for name in ("beams", "temperature", "decoding")},
    }
    return Pictures(features, cache.frames if cache else lambda _: None, most), facts


def _past_the_end(samples: Sequence[Sample], features: Features | None) -> list[str]:
    """A note on scenes that lie past the end of their features, if there are any.

    Raises:
        DataError: there are so many that training would stop, too.
    """
    past = [sample.id for sample in samples if features and features.problem(sample.media_id, sample.span)]
    if not past:
        return []
    said = f"{len(past)} of {len(samples)} scenes lie past the end of their features, such as {past[0]!r}"
    if len(past) > MAX_BAD_SHARE * len(samples):
        raise DataError(f"{said}: the features are cut short or at another rate, so make them again.")
    return [f"{said}; they were captioned by the last frame."]


def _stored(path: Path, encoder: str | None, wanted: list[str], reader: FeatureCaptioner) -> FeatureStore:
    stated = (encoder, "") if encoder else None
    store = FeatureStore.open(path, expect_encoder=reader.encoder, stated_encoder=stated)
    missing = [media_id for media_id in wanted if media_id not in store]
    if missing:
        raise DataError(f"{path} lacks {len(missing)} of {len(wanted)} films, such as {missing[0]!r}.")
    return store


def _cache(
    films: Path, stills_at: float | None, encoder: FeatureCaptioner | None, large: int | None = None
) -> FilmCache:
    from calvin.encode.vectors import find_media

    items = find_media(films, "films" if stills_at is None else "frames")
    place = hashlib.sha256(str(films.resolve()).encode()).hexdigest()[:12]
    files = {item.media_id: item.path for item in items}
    size = FRAME_SIZE if large is None else LongerSide(LARGE_SIZE)
    return FilmCache(cache_folder() / f"films-{place}", files, encoder, folder_fps=stills_at, size=size)


@dataclass(frozen=True)
class PuppetEval:
    """Puppet-eval on disk: its folder in MAD's form, its scenes, the truth by scene id, and notes for the report."""

    folder: Path
    samples: list[Sample]
    truth: dict[str, dict[str, Any]]
    media: str
    notes: tuple[str, ...] = ()


def draw_puppet_eval(folder: Path, listener: Listener = silent, workers: int = 2) -> PuppetEval:
    """Draw what is not there yet, and check it.

    Raises:
        DataError: this version of the puppets draws other stories, whose scores would not be comparable.
    """
    mad = _drawn(folder, PUPPET_SEED, PUPPET_SIZES, workers, listener)
    _check_annotations(PUPPETS, mad, folder, ANNOTATIONS_SHA256)
    drawn = pictures_hash()
    notes: tuple[str, ...] = ()
    if drawn != PICTURES_SHA256:
        # Pixels may differ in their last bit between builds of OpenCV: the card says so, and compare marks it.
        notes = (f"The pictures of puppet-eval are drawn differently here ({drawn[:12]}) than where they were fixed.",)
    samples = read_mad_csv(mad / "mad.csv").samples
    return PuppetEval(mad, samples, read_truth(mad, samples), f"pictures {drawn[:12]}", notes)


def draw_fresh_puppets(seed: int, folder: Path, listener: Listener = silent, workers: int = 2) -> PuppetEval:
    """Ten held-out films of another seed, of which nothing is pinned: what is there of them is drawn no second time."""
    mad = _drawn(folder, seed, PUPPET_SIZES.changed(films=FRESH_FILMS), workers, listener)
    samples = read_mad_csv(mad / "mad.csv").samples
    return PuppetEval(mad, samples, read_truth(mad, samples), f"drawn from seed {seed}")


def draw_puppet_zero(
    folder: Path, listener: Listener = silent, seed: int | None = None, workers: int = 2
) -> PuppetEval:
    """Ten held-out films that are drawn and told as no training film is; of the fixed seed, or any other.

    Raises:
        DataError: this version of the puppets tells the films of the fixed seed otherwise.
    """
    number = ZERO_SEED if seed is None else seed
    mad = _kept(folder, lambda: write_zero_world(folder, number, FRESH_FILMS, 20, workers, listener)) / "mad"
    if seed is None:
        _check_annotations(ZERO_SET, mad, folder, ZERO_SHA256)
    samples = read_mad_csv(mad / "mad.csv").samples
    return PuppetEval(mad, samples, read_truth(mad, samples), f"drawn as of paper from seed {number}")


def _check_annotations(name: str, mad: Path, folder: Path, fixed: str) -> None:
    found = annotations_hash(mad)
    if found != fixed:
        raise DataError(
            f"The annotations of {name} in {mad} are not the fixed ones ({found[:12]} instead of {fixed[:12]}): delete "
            f"{folder} and try again; if that does not help, this version of calvin draws other films, and its scores "
            "cannot be compared."
        )


def test_seed(model: Path) -> int:
    """The seed of a model's test films, from its weights: it cannot be known before these are."""
    return int(file_sha256(model / "model.safetensors")[:8], 16) % 10**9


def _drawn(folder: Path, seed: int, sizes: WorldSizes, workers: int, listener: Listener) -> Path:
    """Held-out films in MAD's form."""
    return _kept(folder, lambda: write_world(folder, seed, sizes, "heldout", workers, listener)) / "mad"


def _kept(folder: Path, write: Callable[[], Path]) -> Path:
    try:
        return write()
    except UsageError:  # drawn by another version of the puppets
        shutil.rmtree(folder)
        return write()


def annotations_hash(mad: Path) -> str:
    """A hash of everything that is written about the films."""
    digest = hashlib.sha256()
    for name in ("mad.csv", "truth.jsonl", "characters.json"):
        digest.update((mad / name).read_bytes())
    return digest.hexdigest()


def pictures_hash() -> str:
    """A hash of one frame of every scene as it is drawn, before any codec touches it."""
    digest = hashlib.sha256()
    for number in range(PUPPET_SIZES.films):
        film = make_film(PUPPET_SEED * 100_000 + number, PUPPET_SIZES.scenes, split="heldout", talk=PUPPET_SIZES.talk)
        for scene in film.scenes:
            middle = (scene.truth.event_ms - scene.truth.start_ms) / 1000
            digest.update(SceneRenderer(scene, *CLIP_SIZE).frame(middle).tobytes())
    return digest.hexdigest()


def read_truth(mad: Path, samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """What happens in each scene of a MAD-like folder of puppet films, by scene id."""
    happens = {(media, truth.start_ms): truth.to_json() for media, _, truth in read_told(mad / "truth.jsonl")}
    return {s.id: happens[s.movie, s.span.start_ms] for s in samples if s.movie and s.span is not None}


def judge(caption: str, truth: Mapping[str, Any]) -> Mapping[str, float | None]:
    """Marks against the structured truth of a puppet scene; where another narrator tells it, in either's words."""
    happened = SceneTruth.from_json(dict(truth))
    return truth_score(in_usual_words(caption) if happened.film.startswith(ZERO) else caption, happened)


def puppet_names() -> NameList:
    """All names that anybody in the puppet world may have."""
    return from_names(NAMES, "all names of the puppet world")
