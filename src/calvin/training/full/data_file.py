"""The data file of a training, in TOML: which pretrained parts, which data sets. Paths count from its folder."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import ConfigError, DataError
from calvin.core.progress import Listener, silent
from calvin.data import Source, SourceConfig, load_sources
from calvin.model import encoder_identity
from calvin.training.recipes import SOURCES
from calvin.training.settings import check_settings
from calvin.training.steps import StageStep

_PATHS = ("annotations", "features", "entities", "credits")
"""The fields of a source that name files."""


class ModelParts(FrozenConfig):
    """The pretrained parts, each a folder or an id on a hub; a language model may also be a GGUF file."""

    language: str
    vision: str = Field(description="the CLIP that the features were made with")
    bert: str | None = Field(default=None, description="start of the Q-Former; none: it starts at random")


class EvaluationFiles(FrozenConfig):
    """What `calvin reproduce` scores on: films that no source of the training holds."""

    annotations: Path
    features: Path
    format: str = "mad_csv"
    encoder: str | None = Field(default=None, description="of features that do not name theirs")
    characters: Path | None = Field(default=None, description="cast by film, in the form of MAD's character bank")
    clips: Path | None = Field(default=None, description="folder of films or clips, for captioners that see stills")
    stills_at: float | None = Field(
        default=None, gt=0, description="where clips are folders of stills: how many a second"
    )
    entities: Path | None = Field(default=None, description="who is in each scene, for the bank's row of Table 4")
    regularisation: Path | None = Field(default=None, description="from `calvin data regularisation`, for Table 4")
    films: tuple[str, ...] = Field(default=(), description="which films are adapted to; none: all")


class DataFile(FrozenConfig):
    """What a recipe trains on."""

    model: ModelParts
    sources: tuple[SourceConfig, ...] = ()
    leave_out: tuple[str, ...] = Field(default=(), description="sources of the recipe that are not at hand")
    train: Mapping[str, Any] = Field(default={}, description="settings that are not the recipe's: `change_recipe`")
    evaluation: EvaluationFiles | None = Field(default=None, description="for `calvin reproduce`; training leaves it")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """
        Raises:
            ConfigError: no such file, not TOML, a field or a source that does not exist.
            DataError: a file named in it is missing.
        """
        path = Path(path)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"There is no data file {path}: docs/cluster.md shows one.") from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read as TOML: {error}.") from error
        file = cls.load(values, path)._from(path.parent)
        check_settings(file.train, f"{path}, [train]")
        known = {*SOURCES, *_own_names(file.train)}
        for name in (*(source.name for source in file.sources), *file.leave_out):
            if name not in known:
                raise ConfigError(
                    f"{path} names a source {name!r}; recipes know {', '.join(SOURCES)}, and those to which [train] "
                    "gives weights."
                )
        for source in file.sources:
            for what in _PATHS:
                wanted = getattr(source, what)
                if wanted is not None and not wanted.exists():
                    raise DataError(f"The {what} of {source.name} are not there: {wanted} ({path}).")
        for name, wanted in file.evaluation or ():
            if isinstance(wanted, Path) and not wanted.exists():
                raise DataError(f"The {name} of [evaluation] are not there: {wanted} ({path}).")
        return file

    def _from(self, folder: Path) -> Self:
        """With paths counted from `folder`; a model part is a path only if something is there, else an id."""
        sources = []
        for source in self.sources:
            paths = {what: folder / path for what in _PATHS if (path := getattr(source, what)) is not None}
            sources.append(source.changed(**paths))
        parts = {key: str(folder / part) for key, part in self.model if part is not None and (folder / part).exists()}
        found = self.changed(sources=sources, model=self.model.changed(**parts))
        if self.evaluation is None:
            return found
        files = {name: folder / value for name, value in self.evaluation if isinstance(value, Path)}
        return found.changed(evaluation=self.evaluation.changed(**files))

    def chosen(self, names: Collection[str]) -> list[SourceConfig]:
        """The sources of these names that are at hand."""
        return [source for source in self.sources if source.name in names and source.name not in self.leave_out]

    def at_hand(self, step: StageStep) -> StageStep:
        """The stage without the sources that this file leaves out or gives no weight, the shares of the others
        multiplied by the weights that it gives them.

        Raises:
            ConfigError: none is left.
        """
        factors = {source.name: source.weight for source in self.sources}
        weights = {
            name: share * factors.get(name, 1.0) for name, share in step.weights.items() if name not in self.leave_out
        }
        weights = {name: share for name, share in weights.items() if share > 0}
        if not weights:
            raise ConfigError(f"The data file leaves out every source of {step.name}: {', '.join(step.weights)}.")
        return step.changed(weights=weights)

    def read_sources(self, step: StageStep, listener: Listener = silent) -> list[Source]:
        """The sources that a stage mixes, with features of this file's vision tower and no other."""
        chosen = self.chosen(step.weights)
        if step.leave_in:
            chosen = [one.changed(leave_in=sorted({*one.leave_in, *step.leave_in})) for one in chosen]
        return load_sources(chosen, encoder_identity(self.model.vision) if chosen else None, listener)


def _own_names(train: Mapping[str, Any]) -> Iterator[str]:
    """Sources that no recipe knows, but to which the settings give weights."""
    for table in (train, *(value for value in train.values() if isinstance(value, Mapping))):
        weights = table.get("weights")
        yield from weights if isinstance(weights, Mapping) else ()
