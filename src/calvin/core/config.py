"""Typed, frozen configuration, checked when it is made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from calvin.core.errors import ConfigError


class FrozenConfig(BaseModel):
    """Base of every configuration: immutable, no unknown fields, values checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())

    @classmethod
    def load(cls, values: dict[str, Any], source: str | Path = "configuration") -> Self:
        """Build from a mapping.

        Raises:
            ConfigError: names each field that is wrong, and where the values came from.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in item['loc']) or 'value'}: "
                + _problem(cls, item["loc"], item["type"], item["msg"])
                for item in error.errors()
            )
            raise ConfigError(f"{source}: {problems}.") from error

    def changed(self, **changes: Any) -> Self:
        """A checked copy with some fields changed."""
        return self.load({**self.model_dump(), **changes}, source=type(self).__name__)


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that somebody who wrote `name` may have meant, or None."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    within = sorted((other for other in known if name in other or other in name), key=len)
    return next(iter([*close, *(within if len(name) > 2 else [])]), None)


def _problem(cls: type[BaseModel], place: Sequence[str | int], kind: str, message: str) -> str:
    """What is wrong at a place, in words; of a field that does not exist, which one may be meant."""
    if kind != "extra_forbidden":
        return message.removeprefix("Value error, ").rstrip(".")
    known = _fields_at(cls, place[:-1])
    meant = nearest(str(place[-1]), known)
    return "there is no such field" + (f", did you mean {meant}?" if meant else f"; there are {', '.join(known)}")


def _fields_at(annotation: Any, place: Sequence[str | int]) -> list[str]:
    """The fields of the configuration at a place within one; none where it cannot be told."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not place:
            return list(annotation.model_fields)
        field = annotation.model_fields.get(str(place[0]))
        return _fields_at(field.annotation, place[1:]) if field is not None else []
    if place and isinstance(place[0], int):
        place = place[1:]
    return next((found for part in get_args(annotation) if (found := _fields_at(part, place))), [])
