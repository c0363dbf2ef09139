"""Captions without names and other identifying details, for few-shot regularisation (section 5.2)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from calvin.core.prompts import clean_line
from calvin.data.samples import Sample


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMON = _words(
    """a about above across after again against all along alone already also although always among an and another any
    anyone are around as at away back be before behind below beneath beside besides between beyond both but by cars
    children clouds crowds dawn day down during dusk each eight either eventually every everyone everything eyes
    few finally fire five flames for four from gently girl girls gradually hand hands hastily having he her here hers
    herself high him himself his hundreds i if in inside instead into is it its itself just kids later leaning left
    less lights like looking lost many me meanwhile men midnight moments more morning most much music my near nearby
    neither next night nine no nobody none nor not nothing now of off on once one only onto opposite or other others
    our out outside over overhead past people police quickly quietly rain reaching right rows running seven several
    she sitting six slowly smiling smoke snow so soldiers some somebody someone something somewhere soon standing
    still suddenly sunlight ten that the their them then there these they things this those thousands three through
    throughout to today together tonight tools toward towards turning twenty two under underneath unseen until up upon
    us using very walking waves we wearing what when where while white who whole with within without women words you
    young your tears"""
)
"""Words that open sentences without being names; what a corpus also writes in small letters is added to them."""
GENERIC = COMMON | frozenset(
    re.findall(
        r"\w+",
        """actor actress agent angel aunt baby bartender beast bird black blonde blue boss boy boys bride brother
        brown bully butler cat chef chief child clerk clown cook cop cops count countess cousin creature customer
        dad daddy dancer das daughter dead del della der devil die dog doorman driver drunk duchess duke earl elder
        emperor empress fat father fellow first fisherman friend gang ghost giant golden grandfather grandma
        grandmother grandpa granny gray great green grey groom guard guest guy hero host hostess hunter husband
        jailer journalist junior kid killer knight lad lady las lawyer leader les little long los lover magician
        maid man manager master mayor merchant messenger middle minister mister mistress mom monk monster mother mum
        nephew new niece nun nurse officer old orphan owner painter parents patient peasant pilot pirate player
        policeman policewoman porter postman priest prisoner purple reporter robber robot sailor scientist second
        secretary senior servant shepherd shopkeeper singer sister small soldier son spy stranger student tall
        teacher teenager thief thin third tiny tourist traveller twin uncle van victim villager visitor voice von
        waiter waitress warrior widow wife witch wizard woman worker""",
    )
)
"""Besides titles and ranks, words of a full name that alone could mean anybody, such as those of 'Man in Black'."""

_NOT_NAMES = _words(
    """I Christmas Easter Halloween Thanksgiving Monday Tuesday Wednesday Thursday Friday Saturday Sunday January
    February March April May June July August September October November December TV OK DVD CD SUV PC X-ray T-shirt
    English French German Italian Spanish Russian Chinese Japanese American British Irish Indian Christian Jewish Muslim
    Victorian Gothic Roman Greek Latin"""
)
_MONTHS_OR_NAMES = _words("April May June August")
TITLES = r"(?:Mr|Mrs|Ms|Miss|Sir|Lady|Lord|Madame|Monsieur|Uncle|Aunt|Saint|St)\b\.?"
RANKS = r"(?:Captain|Sergeant|Lieutenant|Colonel|General|Major|Inspector|Detective|Officer|Doctor|Dr|Professor|King"
RANKS += r"|Queen|Prince|Princess|Father|Sister|Brother|Agent|President|Judge|Sheriff|Nurse|Coach|Reverend)\b\.?"
_PLACES = _words(
    """Street Avenue Road Lane Hotel Bridge River Hall School Hospital University College Lake Mountain House Castle
    Park Station Square Island City Bar Café Cafe Airport Church Cathedral Palace Tower Theatre Theater Museum
    Restaurant Inn Bank Beach Bay Harbour Harbor Prison Stadium Market Library Forest Valley Canyon Desert Building
    Court"""
)
_INTO_PLACES = _words("in into across inside outside through throughout around")
_NAME = r"(?:(?:[A-Z]\.)+|[A-ZÀ-ÖØ-Þ][\w’'-]*[\w]|[A-Z])"
_RUN = re.compile(rf"(?<![\w’'-])(?:{TITLES}\s+|{RANKS}\s+)*{_NAME}(?:\s+(?:(?:of|de|van|von|la|le)\s+)?{_NAME})*")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SEVERAL = re.compile(r"\bsomeone(?:, someone)*,? and someone\b", re.IGNORECASE)


def _has_verb(caption: str, start: int) -> bool:
    following = _WORD.match(caption, start)
    return following is not None and (following[0].endswith("s") or following[0] in ("and", "is", "has"))


def _opens(caption: str, start: int) -> bool:
    """Whether a sentence opens at a place of a caption."""
    return start == 0 or caption[:start].rstrip().endswith((".", "!", "?", ":", '"', "“"))


@dataclass(frozen=True, slots=True)
class CapitalRun:
    """A run of capitals that is a name of some kind: where in the caption it stands, and what general words replace it.

    `opens`: only its being where a sentence opens and what follows it speak for a name.
    """

    start: int
    end: int
    stand_in: str
    opens: bool


class EntityStripper:
    """Takes names out of captions by their capitals.

    Args:
        names: names known to be names, such as a cast's; found wherever they stand.
        corpus: captions of the same set. A word that they also write in small letters is not taken for a name
            at the start of a sentence.
    """

    def __init__(self, names: Collection[str] = (), corpus: Iterable[str] = ()) -> None:
        self.names = {part for name in names for part in name.split()}
        self.small = set(COMMON)
        for caption in corpus:
            self.small.update(word for word in _WORD.findall(caption) if word.islower())

    def __call__(self, caption: str) -> str:
        """'Ann hands Mr. Pike the lamp in Paris.' -> 'Someone hands someone the lamp in a place.'"""
        caption = clean_line(caption)
        made: list[str] = []
        at = 0
        for run in _RUN.finditer(caption):
            start, stripped = self._stripped(caption, run)
            if stripped is not None:
                made += [caption[at:start], stripped]
                at = run.end()
        text = "".join([*made, caption[at:]])
        text = _SEVERAL.sub(lambda m: "Some people" if m[0][0] == "S" else "some people", text)
        return re.sub(r"\b([Tt]he|[Aa]n?) (the|a)\b", r"\1", text)

    def runs(self, caption: str) -> Iterator[CapitalRun]:
        """The names of people, places and things in a caption, as they stand in it, possessives included."""
        for run in _RUN.finditer(caption):
            start, stripped = self._stripped(caption, run)
            if stripped is not None:
                yield CapitalRun(start, run.end(), stripped, _opens(caption, start))

    def captions(self, samples: Iterable[Sample]) -> list[str]:
        """The captions of samples without names: a rule for `judge_by`."""
        return [self(sample.caption) for sample in samples]

    def found(self, caption: str) -> tuple[str, ...]:
        """The names that it would take out, in their order, each once, without possessives."""
        caption = clean_line(caption)
        runs = ((run.end(), *self._stripped(caption, run)) for run in _RUN.finditer(caption))
        names = [re.sub(r"['’]s$", "", caption[start:end]) for end, start, stripped in runs if stripped is not None]
        return tuple(dict.fromkeys(names))

    def _stripped(self, caption: str, run: re.Match[str]) -> tuple[int, str | None]:
        """Where the names of a run of capitals begin, and what stands for them; None where they are not names."""
        start, words = run.start(), run[0].split()
        opens = _opens(caption, start)
        # The first word of a sentence is capital anyway: it belongs to the names only if it is not a common word.
        while words and (
            self._is_calendar(words[0], caption, start, opens)
            or (opens and self._is_common(words[0], len(words), caption, start))
        ):
            if words[0] in self.names:
                break
            start += len(words[0]) + 1
            words, opens = words[1:], False
        if not words:
            return start, None
        last = words[-1]
        ending = next((mark for mark in ("'s", "’s") if last.endswith(mark)), "")
        bare = [*words[:-1], last.removesuffix(ending) if ending else last]
        return start, self._stand_in(bare, caption[:start], capital=start == 0 or opens) + ending

    def _stand_in(self, words: list[str], before: str, capital: bool) -> str:
        previous = re.search(r"(\w+)\W+$", before)
        if words[-1] in _PLACES and words[0] not in self.names:
            said = f"the {words[-1].lower()}"
        elif re.fullmatch(RANKS, words[0]):
            said = f"the {words[0].rstrip('.').lower()}".replace("the dr", "the doctor")
        elif previous and previous[1].lower() in _INTO_PLACES and not set(words) & self.names:
            said = "a place"
        elif previous and previous[1].lower() in ("the", "a", "an") and not set(words) & self.names:
            said = "one"
        else:
            said = "someone"
        return said[0].upper() + said[1:] if capital else said

    def _is_common(self, word: str, length: int, caption: str, start: int) -> bool:
        bare = re.sub(r"['’]s$", "", word)
        if bare in self.names or re.fullmatch(f"{TITLES}|{RANKS}", word):
            return False
        if bare.lower() in self.small or word.lower() in self.small:
            return True
        comma = caption[start + len(word) : start + len(word) + 1] == ","
        if comma and bare.endswith(("ing", "ly")):
            return True  # 'Barking, Rex ...'
        # 'Waves crash', 'Lanterns glow': a plural and its verb. A name has a verb in -s, a possessive, or a partner.
        return not (length > 1 or word != bare or comma or _has_verb(caption, start + len(word) + 1))

    def _is_calendar(self, word: str, caption: str, start: int, opens: bool) -> bool:
        """Capitals that do not name anyone; 'June' does where she opens a sentence and acts."""
        acts = opens and word in _MONTHS_OR_NAMES and _has_verb(caption, start + len(word) + 1)
        return word in _NOT_NAMES and not acts


ENTITY_EXAMPLES: tuple[tuple[str, str], ...] = (
    ("Ann hands Mr. Pike the lamp.", "Someone hands a man the lamp."),
    ("The train pulls into Vienna as Otto and Mara wait.", "The train pulls into a city as two people wait."),
    ("He closes the heavy door.", "He closes the heavy door."),
    ("In the Grand Hotel, Lena's brother reads the Evening Post.", "In a hotel, someone's brother reads a newspaper."),
)
"""Annotated by hand; none is of a real film."""


def entity_prompt(caption: str) -> str:
    """The task with its annotated examples; the answer is one line."""
    shown = "\n\n".join(f"Line: {line}\nRewritten: {answer}" for line, answer in ENTITY_EXAMPLES)
    return (
        "Rewrite each line so that nobody can tell which film it is from: replace the names of people, places and "
        f"things by general words and change nothing else.\n\n{shown}\n\nLine: {clean_line(caption)}\nRewritten:"
    )


def parse_entity(caption: str, answer: str) -> str | None:
    """The first line of an answer; None where it is empty, far longer or shorter, or keeps a name of the caption."""
    text = clean_line(answer.strip().split("\n")[0]).strip('"')
    words, given = len(text.split()), len(caption.split())
    kept = set(_WORD.findall(text)) & {
        word
        for run in _RUN.finditer(caption)
        if run.start()
        for word in _WORD.findall(run[0])
        if word not in _NOT_NAMES
    }
    if not text or words > 2 * given + 4 or 3 * words < given or kept:
        return None
    return text
