"""Who wrote, approved and spoke a description, counted; and the mark that synthetic words and voices carry.

Article 50 of the EU's AI Act asks that synthetic text and sound be marked in a form that machines can read. The mark
names the term of IPTC's NewsCodes for it (digital source type), and says in words what the counts are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from calvin.core.text_tables import counted
from calvin.core.types import Author, Cue, Status

if TYPE_CHECKING:  # lazy: it loads pydantic, and writers are listed by `calvin --help`
    from calvin.studio.project.store import ProjectStore

_TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
WHOLLY, PARTLY = f"{_TERMS}trainedAlgorithmicMedia", f"{_TERMS}compositeWithTrainedAlgorithmicMedia"


@dataclass(frozen=True, slots=True)
class Origin:
    """Of how many cues a model wrote the words (`by_model`, of which a person `approved` some), and how many a
    synthetic voice speaks or a person has `recorded`; `model` and `voice` are what those are called."""

    cues: int = 0
    by_model: int = 0
    approved: int = 0
    synthetic: int = 0
    recorded: int = 0
    model: str = ""
    voice: str = ""

    @property
    def marked(self) -> bool:
        """Whether a machine wrote or spoke any of it."""
        return bool(self.by_model or self.synthetic)

    def mark(self, in_film: bool = False) -> str:
        """'AI-generated: ...', on one line, for what people and players read of a file; '' where nothing is synthetic.

        Args:
            in_film: it lies in the sound of a film, which nobody generated.
        """
        if not self.marked:
            return ""
        said = []
        if self.by_model:
            name = f" ({self.model})" if self.model else ""
            was = "it was" if self.approved == self.by_model == 1 else f"{self.approved} of these"
            said.append(
                f"words of {self.by_model} of {counted(self.cues, 'cue')} by a language model{name}, "
                f"{was} approved by a person"
            )
        if self.synthetic:
            name = f" ({self.voice})" if self.voice else ""
            heard = counted(self.synthetic + self.recorded, "cue")
            said.append(f"{self.synthetic} of {heard} spoken by a synthetic voice{name}")
        term = PARTLY if in_film else self._term
        return _one_line(f"AI-generated audio description: {'; '.join(said)}. {term}")

    def as_json(self) -> dict[str, object]:
        """The counts, what has a name, and the term of IPTC's NewsCodes where something is synthetic."""
        said = {name: value for name, value in asdict(self).items() if value != ""}
        return {**said, **({"digital_source_type": self._term} if self.marked else {})}

    @property
    def _term(self) -> str:
        """IPTC's for it: a person's words or voice in it make it composite."""
        return WHOLLY if self.by_model == self.cues and not self.recorded else PARTLY


class VoicedCue(Protocol):
    """A cue with its sound, by a person or not."""

    @property
    def cue(self) -> Cue: ...
    @property
    def recorded(self) -> bool: ...


def _one_line(text: str) -> str:
    return " ".join(text.replace("-->", " ").split())


def origin_of(store: ProjectStore, cues: Sequence[Cue], voiced: Sequence[VoicedCue] = ()) -> Origin:
    """Who made the words of cues, and the sound of those that are heard.

    Args:
        voiced: the cues in a sound; without any it is text alone that is marked.
    """
    by_model = [cue for cue in cues if cue.author is not Author.HUMAN and cue.text.strip()]
    synthetic = sum(not one.recorded for one in voiced)
    return Origin(
        cues=sum(bool(cue.text.strip()) for cue in cues),
        by_model=len(by_model),
        approved=sum(cue.status is Status.APPROVED for cue in by_model),
        synthetic=synthetic,
        recorded=len(voiced) - synthetic,
        model=str(store.model.get("name", "")) if by_model else "",
        voice=store.voice.name if synthetic and store.voice else "",
    )


def of_one_cue(one: VoicedCue, whole: Origin) -> Origin:
    """What `origin_of` says of the sound of one of the cues that it has counted."""
    by_model = int(one.cue.author is not Author.HUMAN)
    return Origin(
        cues=1,
        by_model=by_model,
        approved=int(bool(by_model) and one.cue.status is Status.APPROVED),
        synthetic=int(not one.recorded),
        recorded=int(one.recorded),
        model=whole.model if by_model else "",
        voice="" if one.recorded else whole.voice,
    )
