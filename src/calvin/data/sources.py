"""A source of a mixture from its files: read, clean, attach the context, open the features.

Films that are also evaluation films are found by IMDb id, else by title, and training does not get them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from calvin.core.config import FrozenConfig
from calvin.core.errors import ConfigError, DataError, UsageError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.time import Span
from calvin.data.cleaning import CLEANING, CreditTagger, KeywordCredits, LeftIn, scrubbed
from calvin.data.face_csv import read_face_csv
from calvin.data.feature_index import IndexedFeatures, feature_data, open_indexed
from calvin.data.features import CachedFeatures, FeatureFolder, FeatureStore, open_features
from calvin.data.indexing import INDEXED_FROM, DataFiles, fingerprint, kept_index
from calvin.data.instructions import TRAINING_CONTEXT, with_context
from calvin.data.mixture import Source, check_share
from calvin.data.readers.registry import READERS, read, resolve_format, stream
from calvin.data.readers.text_files import read_jsonl
from calvin.data.sample_table import (
    Repeats,
    SampleTable,
    note_repeats,
    read_report,
    report_facts,
    table_in,
    write_table,
)
from calvin.data.samples import DropReport, FilmName, ReadResult, Sample
from calvin.data.tagging import AnswerSheet, SheetCredits

MAD_EVAL: tuple[FilmName, ...] = (
    FilmName("tt0286106", "Signs"),
    FilmName("tt1038686", "Legion"),
    FilmName("tt1707386", "Les Misérables"),
    FilmName("tt0330373", "Harry Potter and the Goblet of Fire"),
    FilmName("tt1217613", "Battle: Los Angeles"),
    FilmName("tt1438254", "Charlie St. Cloud"),
    FilmName("tt1428538", "Hansel & Gretel: Witch Hunters"),
    FilmName("tt1341188", "How Do You Know"),
    FilmName("tt1124035", "The Ides of March"),
    FilmName("tt1265990", "The Roommate"),
)
"""The films that MAD-eval and MAD-eval-named describe (Han et al. 2023)."""

NAMED: Mapping[str, tuple[FilmName, ...]] = {"mad-eval": MAD_EVAL}
MAX_BAD_SHARE = 0.01
MAD = "mad"
"""The format by which people call both of MAD's."""
_SMALL_WORDS = {"the", "a", "an", "and"}


class SourceConfig(FrozenConfig):
    """One data set of a recipe."""

    name: str
    format: str = Field(description="name of a reader")
    annotations: Path
    features: Path
    entities: Path | None = Field(default=None, description="who is in each scene, for entity prompts: `read_entities`")
    weight: float = Field(default=1.0, ge=0, description="share of batches, relative to the other sources")
    context: int = Field(default=TRAINING_CONTEXT, ge=0, description="previous captions, where scenes are consecutive")
    clean: bool = Field(default=True, description="scrub numbers and remove credits where the format needs it")
    leave_in: tuple[LeftIn, ...] = Field(default=(), description="what the cleaning of Appendix A is to leave in")
    limit: int | None = Field(default=None, gt=0, description="only the first so many samples")
    fps: float | None = Field(default=None, gt=0, description="for feature files that hold no frame rate")
    stated_encoder: tuple[str, str] | None = Field(default=None, description="for feature files that name no encoder")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the reader")
    cache_mb: int = Field(default=256, ge=0, description="memory for sampled scenes")
    max_bad_share: float = Field(
        default=MAX_BAD_SHARE, ge=0, le=1, description="broken samples at most, before training stops"
    )
    credits: Path | None = Field(default=None, description="answers of `calvin data tag-credits`, corrected or not")
    against: tuple[str, ...] = Field(default=("mad-eval",), description="evaluation sets: `evaluation_films`")
    evaluation_films: Literal["refuse", "drop", "allow"] = Field(
        default="refuse", description="what to do with films that are also evaluation films"
    )

    @field_validator("stated_encoder", mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return (value, "") if isinstance(value, str) else value

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        if value.strip().lower() == MAD:
            return MAD  # which of the two it is, the file says when it is read
        try:
            return READERS.find(value).name
        except UsageError as error:
            raise ValueError(str(error)) from error

    @property
    def reader(self) -> str:
        """The name of the reader of the annotations."""
        return resolve_format(self.format, self.annotations)

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the cleaning rules that its captions go through."""
        found = READERS.find(self.reader).cleaning if self.clean else ()
        return tuple(rule for rule in found if rule not in self.leave_in)

    @property
    def reading(self) -> dict[str, Any]:
        """The options of the reader."""
        boxes = {"boxes": True} if "boxes" in self.leave_in and self.reader == "llava" else {}
        return {**self.options, **boxes}


def read_samples(config: SourceConfig, tagger: CreditTagger | None = None) -> ReadResult:
    """Read and clean a source's annotations and attach the context.

    Credits are removed before the context is attached, so that they are never context either.
    """
    manifest = READERS.find(config.reader)
    result, rules = read(manifest.name, config.annotations, **config.reading), config.rules
    tagger = tagger or KeywordCredits()
    if config.credits is not None and "credits" in rules:
        tagger = SheetCredits(AnswerSheet.read(config.credits), tagger)
    for rule in rules:
        result = CLEANING.find(rule).load()(result, tagger)
    samples = with_context(result.samples, config.context) if manifest.contextual else result.samples
    if config.entities is not None:
        names = read_entities(config.entities)
        samples = [replace(sample, entities=names.get((sample.movie, sample.span), ())) for sample in samples]
    return ReadResult(samples[: config.limit], result.report, result.films)


@dataclass(frozen=True)
class SourceSamples:
    """As `ReadResult`, of samples that may lie on disk."""

    samples: Sequence[Sample]
    report: DropReport
    films: Mapping[str, FilmName]


def open_samples(
    config: SourceConfig, listener: Listener = silent, tagger: CreditTagger | None = None
) -> SourceSamples:
    """`read_samples`; of large annotations the samples stay on disk, in an index that is made if there is none.

    The report says so where the index was made anew or could not be written beside the data.
    """
    data = DataFiles.of(config.annotations, ".tar")
    if tagger is not None or data.size < INDEXED_FROM:
        result = read_samples(config, tagger)
        return SourceSamples(result.samples, result.report, result.films)
    stage, said = Stage(f"index the samples of {config.name}", listener, None, "samples"), list[str]()
    beside = [DataFiles.of(path).state for path in (config.credits, config.entities) if path is not None]
    fields = {"reader", "context", "clean", "options"}
    # Indexes are older than what may be left in.
    left_in = [sorted(config.leave_in)] if config.leave_in else []
    settings = [{name: getattr(config, name) for name in sorted(fields)}, beside, *left_in]
    kind = f"{config.reader}-{fingerprint(settings)[:8]}"  # sources may share a file
    index = kept_index(data, kind, settings, lambda folder: _write_samples(config, folder, stage.update), said.append)
    report, films = read_report(index.facts["facts"]["report"])
    for sentence in said:
        report.note(sentence)
    samples = SampleTable(index)
    return SourceSamples(samples if config.limit is None else samples.first(config.limit), report, films)


def _write_samples(config: SourceConfig, folder: Path, note: Callable[[int], None]) -> dict[str, Any]:
    """Fill an index's folder with what `read_samples` reads, but for the limit; returns the facts."""
    manifest, report, repeats = READERS.find(config.reader), DropReport(), Repeats()
    rules = config.rules
    one_by_one = config.entities is None and not manifest.contextual and set(rules) <= {"numbers"}
    found = stream(manifest, config.annotations, report, config.reading) if one_by_one else None
    if found is None:
        result = read_samples(config.changed(limit=None))
        facts = write_table(folder, result.samples, note)
        return {**facts, "report": report_facts(result.report, result.films)}
    found = repeats.through(found)
    facts = write_table(folder, scrubbed(found, report) if rules else found, note)
    note_repeats(repeats, table_in(folder, facts), report)
    return {**facts, "report": report_facts(report, {})}


def read_entities(path: Path) -> dict[tuple[str | None, Span | None], tuple[str, ...]]:
    """Names of those present by movie and span, from lines such as
    `{"movie": "0001_A_Film", "start": 12.4, "end": 14.9, "names": ["Ann", "Bob"]}` (seconds, as in the annotations), or
    from AutoAD-Zero's CSV of faces, where who is seen longest comes first.

    Raises:
        DataError: a line lacks one of these.
    """
    if path.suffix.lower() == ".csv":
        rows = read_face_csv(path)
        return {
            (row.movie, row.span): tuple(sorted(row.people, key=lambda name: -len(row.people[name]))) for row in rows
        }
    found: dict[tuple[str | None, Span | None], tuple[str, ...]] = {}
    for row in read_jsonl(path, DropReport()):
        try:
            found[row["movie"], Span.from_seconds(row["start"], row["end"])] = tuple(map(str, row["names"]))
        except (KeyError, TypeError, OverflowError) as error:
            raise DataError(f"{path} needs movie, start, end and names on each line; this is not so: {row}.") from error
    return found


def load_source(
    config: SourceConfig,
    *,
    expect_encoder: tuple[str, str] | None = None,
    expect_dim: int | None = None,
    tagger: CreditTagger | None = None,
    listener: Listener = silent,
) -> Source:
    """A source ready for the mixture; its `report` tells what was left out, and what its features do not say.

    Large annotations and features are read by indexes, made once (`indexing`); samples and their order are the same.

    Raises:
        DataError, FeatureError: the files cannot be used, more than `max_bad_share` of the rows are broken, a film is
            also an evaluation film, or the features are another encoder's.
    """
    result = without_evaluation_films(config, open_samples(config, listener, tagger))
    check_share(config.name, result.report.bad, len(result.samples), config.max_bad_share, result.report)
    store = _open_store(
        config,
        result.report,
        listener,
        expect_encoder=expect_encoder,
        expect_dim=expect_dim,
        fps=config.fps,
        stated_encoder=config.stated_encoder,
    )
    for note in store.notes:
        result.report.repair("features without a frame rate", note)
    if not isinstance(store, FeatureStore):
        # The samples that are missed for it count as bad in the mixture; here the files are named.
        for reason, examples in store.report.examples.items():
            result.report.repair(reason, examples[0], (store.report.dropped + store.report.noted)[reason])
    features = CachedFeatures(store, config.cache_mb * 2**20) if config.cache_mb else store
    kind = result.samples[0].kind if result.samples else READERS.find(config.reader).kind
    return Source(
        config.name, kind, result.samples, features, config.weight, report=result.report,
        max_bad_share=config.max_bad_share,
    )  # fmt: skip


def _open_store(
    config: SourceConfig, report: DropReport, listener: Listener, **expected: Any
) -> FeatureStore | FeatureFolder | IndexedFeatures:
    """A source's features, by an index where they are large."""
    if feature_data(config.features).size < INDEXED_FROM:
        return open_features(config.features, **expected)
    stage = Stage(f"index the features of {config.name}", listener, None, "ids")
    return open_indexed(config.features, report.note, stage.update, **expected)


def load_sources(
    configs: Sequence[SourceConfig], encoder: tuple[str, str] | None, listener: Listener = silent
) -> list[Source]:
    """`load_source` of each, with features of this encoder and no other."""
    stage = Stage("read", listener, len(configs), "sources")
    sources = []
    for number, config in enumerate(configs, 1):
        sources.append(load_source(config, expect_encoder=encoder, listener=listener))
        stage.update(number, config.name)
    return sources


def without_evaluation_films(config: SourceConfig, result: SourceSamples) -> SourceSamples:
    """What training may see: films that are evaluated on are refused, unless the configuration says otherwise.

    Raises:
        DataError: names such films.
    """
    if config.evaluation_films == "allow" or not result.films:
        return result
    found = find_overlap(result.films, evaluation_films(config.against))
    if found and config.evaluation_films == "refuse":
        names = ", ".join(sorted(f"{media_id} ({film.title or film.imdb})" for media_id, film in found.items())[:10])
        raise DataError(
            f"{config.name} holds {len(found)} films that are also evaluation films of {', '.join(config.against)}: "
            f'{names}. Leave them out with evaluation_films = "drop", or say "allow".'
        )
    if not found:
        return result
    samples, kept = result.samples, list[int]()
    for place, sample in enumerate(samples):
        if sample.media_id in found:
            result.report.drop("also an evaluation film", sample.media_id, chosen=True)
        else:
            kept.append(place)
    if isinstance(samples, SampleTable):
        return replace(result, samples=samples.only(np.array(kept, np.int64)))
    return replace(result, samples=[samples[place] for place in kept])


def evaluation_films(against: Sequence[str]) -> list[FilmName]:
    """The films of named evaluation sets and of annotation files.

    Args:
        against: "mad-eval", a MAD-like file, or FORMAT:FILE such as "cmd-ad:test.csv".

    Raises:
        ConfigError: neither a known name nor a file.
        DataError: the file cannot be read.
    """
    films: list[FilmName] = []
    for item in against:
        if item in NAMED:
            films.extend(NAMED[item])
            continue
        format, _, name = item.rpartition(":") if not Path(item).exists() else ("mad", "", item)
        if not Path(name).is_file():
            raise ConfigError(f"{item!r} is neither a file, FORMAT:FILE, nor one of {', '.join(NAMED)}.")
        films.extend(read(resolve_format(format or "mad", name), name).films.values())
    return films


def find_overlap(films: Mapping[str, FilmName], evaluation: Iterable[FilmName]) -> dict[str, FilmName]:
    """Media ids whose film is an evaluation film, with that film.

    Two IMDb ids decide where both are known, because films share titles; else titles do, without case, accents,
    articles and marks.
    """
    by_imdb: dict[int, FilmName] = {}
    by_title: dict[str, list[FilmName]] = {}
    for film in evaluation:
        if (number := _imdb(film.imdb)) is not None:
            by_imdb[number] = film
        if title := plain_title(film.title):
            by_title.setdefault(title, []).append(film)
    found: dict[str, FilmName] = {}
    for media_id, film in films.items():
        number = _imdb(film.imdb)
        if number in by_imdb:
            found[media_id] = by_imdb[number]
            continue
        for other in by_title.get(plain_title(film.title), []):
            if number is None or _imdb(other.imdb) is None:
                found[media_id] = other
    return found


def plain_title(title: str) -> str:
    """'The Roommate (2011)' and '3074_THE_ROOMMATE' alike -> 'roommate'."""
    bare = re.sub(r"\(\d{4}\)\s*$|^\d{4}_", "", title)
    letters = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c)).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", letters.replace("'", "")) if word]
    return " ".join([word for word in words if word not in _SMALL_WORDS] or words)


def _imdb(text: str) -> int | None:
    match = re.fullmatch(r"(?:tt)?0*(\d{1,9})(?:\.0)?", text.strip())
    return int(match[1]) if match else None
