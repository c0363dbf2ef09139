"""Typed, frozen configuration, checked when it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

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
                + item["msg"].removeprefix("Value error, ").rstrip(".")
                for item in error.errors()
            )
            raise ConfigError(f"{source}: {problems}.") from error

    def changed(self, **changes: Any) -> Self:
        """A checked copy with some fields changed."""
        return self.load({**self.model_dump(), **changes}, source=type(self).__name__)
