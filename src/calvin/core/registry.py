"""The things of one kind by name: ours, and those that other packages add by an entry point.

A registry knows names without importing what they stand for, so that help texts can list them; `find` and `load` import
one thing when it is asked for. Another package adds a thing by an entry point, whose name is the thing's name:

    [project.entry-points."calvin.writers"]
    braille = "braille_ad:BrailleWriter"
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from calvin.core.errors import MissingExtraError, UsageError, first_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

T = TypeVar("T")
M = TypeVar("M", bound="Manifest[Any]")


@dataclass(frozen=True, slots=True)
class Manifest(Generic[T]):
    """What is known of a thing before it is imported.

    Args:
        name: how people ask for it.
        about: one line for help texts.
        target: `module:attribute` where it is, or the thing itself.
        extra: the optional packages it needs, if any.
    """

    name: str
    about: str
    target: str | T
    extra: str | None = None

    what: ClassVar[str] = "thing"
    """The kind, as sentences call it."""

    def load(self) -> T:
        """The thing itself.

        Raises:
            MissingExtraError: its optional packages are not installed.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            found: T = attrgetter(attribute)(import_module(module))
        except ImportError as error:
            if self.extra is None:
                raise
            raise MissingExtraError(f"The {self.what} {self.name}", self.extra, str(error)) from error
        return found


class Registry(Mapping[str, M]):
    """Manifests of one kind by name, in order; case does not matter, nor whether words are joined by `-` or `_`.

    Args:
        kind: the class of the manifests.
        built_in: ours. A thing of another package that has the same name as one of these is left out.
        group: other packages add theirs by entry points of `calvin.GROUP`. An entry point leads to what a manifest's
            target would, or to a manifest of `kind`, which says more about it.
        aliases: further names, which are not listed.
        also: what else may be named, in the words that lists use.
    """

    def __init__(
        self,
        kind: type[M],
        built_in: Iterable[M],
        group: str | None = None,
        aliases: Mapping[str, str] | None = None,
        also: Iterable[str] = (),
    ) -> None:
        self.kind, self.group = kind, group
        self.built_in = {manifest.name: manifest for manifest in built_in}
        self.also = tuple(also)
        self.aliases = {_folded(alias): name for alias, name in (aliases or {}).items()}

    @cached_property
    def _added(self) -> tuple[dict[str, EntryPoint], dict[str, EntryPoint]]:
        """Entry points by name: those that count, and those whose name was taken."""
        if self.group is None:
            return {}, {}
        # The first one to claim a name keeps it, in an order that does not depend on how packages were installed.
        taken = {_folded(name) for name in self.built_in}
        added, lost = dict[str, "EntryPoint"](), dict[str, "EntryPoint"]()
        entries = _entry_points(tuple(sys.path)).select(group=f"calvin.{self.group}")
        for entry in sorted(entries, key=lambda entry: (entry.name, _package(entry))):
            known = _folded(entry.name) in taken
            (lost if known else added).setdefault(_folded(entry.name) if known else entry.name, entry)
            taken.add(_folded(entry.name))
        return added, lost

    def names(self) -> tuple[str, ...]:
        """Ours, then those of other packages; nothing is imported."""
        return (*self.built_in, *self._added[0])

    def listed(self) -> str:
        """All that may be named, for a help text: "vtt, srt, dapt"."""
        return ", ".join((*self.names(), *self.also))

    def abouts(self) -> tuple[str, ...]:
        """A line on each, for a help text; nothing is imported."""
        added = (f"{name} of {_package(entry)}" for name, entry in self._added[0].items())
        return (*(manifest.about for manifest in self.built_in.values()), *added)

    def find(self, name: str) -> M:
        """
        Raises:
            UsageError: there is no such thing, or it is another package's and cannot be imported.
        """
        folded = _folded(name)
        folded = _folded(self.aliases.get(folded, name))
        known = next((known for known in self.names() if _folded(known) == folded), None)
        if known is None:
            raise UsageError(f"There is no {self.kind.what} {name.strip()!r}: choose from {self.listed()}.")
        added, lost = self._added
        if folded in lost:
            logging.getLogger("calvin").warning(
                "%s adds a %s %r, which there is already: the one of %s is taken.",
                _package(lost.pop(folded)), self.kind.what, known,
                _package(added[known]) if known in added else "calvin",
            )  # fmt: skip
        return self.built_in[known] if known in self.built_in else self._open(added[known])

    def _open(self, entry: EntryPoint) -> M:
        """The manifest of another package's thing, whose code may do anything when it is imported."""
        try:
            found = entry.load()
        except Exception as error:
            raise UsageError(
                f"The {self.kind.what} {entry.name!r} of {_package(entry)} cannot be used "
                f"({type(error).__name__}: {first_line(error)}): mend or uninstall that package."
            ) from error
        if isinstance(found, self.kind):
            return replace(found, name=entry.name)
        return self.kind(entry.name, f"{entry.name} of {_package(entry)}", found)

    def working(self) -> Iterator[M]:
        """Every manifest except those of other packages that cannot be imported."""
        yield from self.built_in.values()
        for name in self._added[0]:
            try:
                yield self.find(name)
            except UsageError:
                continue

    def __getitem__(self, name: str) -> M:
        if name not in self:
            raise KeyError(name)
        return self.find(name)

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())


def _folded(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a package"


@cache
def _entry_points(path: tuple[str, ...]) -> EntryPoints:
    """Of every package on the path. Reading them takes 40 ms: few runs need it, and `calvin --help` asks five times."""
    from importlib.metadata import entry_points

    return cast("EntryPoints", entry_points())  # Python 3.11 has another class, with the same `select`
