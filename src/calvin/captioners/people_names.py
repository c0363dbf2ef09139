"""People's names in captions: found by the names that are known, and by their capitals.

Places, brands, days, nationalities and titles are let alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from calvin.captioners.looks import LOOK_AFTER, tied_looks
from calvin.data.entities import RANKS, TITLES, EntityStripper

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»")
_ENDING = re.compile(r"['’]s?$")
TITLED = re.compile(rf"(?:(?:{TITLES}|{RANKS})\s*)+")
_TITLE_BEFORE = re.compile(rf"(?<!\w)(?:(?:{TITLES}|{RANKS})\s+)+$")


def words_of(text: str) -> list[str]:
    return _WORD.findall(text)


def _table(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BEFORE_THINGS = _table(
    "christmas year's the a an his her their its my our your this that these those each every some no"
)
_BEFORE_TIMES = _table("in on of since until by early late last next every this")

_NOBODY = _table(
    """Africa African Africans Alabama Alaska Alps Amazon America American Americans Amsterdam Antarctica Arabic Arctic
    Argentina Arizona Asia Asian Athens Atlantic Audi Australia Australian Austria Austrian Bach Baghdad Bangkok
    Barbados Barcelona Beethoven Beijing Belgian Belgium Berlin Bible Boston Brazil Brazilian Britain Brooklyn
    Brussels Budapest Buddha Budweiser Cadillac Cairo California Californian Canada Canadian Canadians Caribbean
    Catholic Chevrolet Chicago Chile Christ Coca-Cola Coke Colombia Copenhagen Cuba Cuban Czech Dallas Danish
    Denmark Detroit Dublin Dutch Earth Edinburgh Egypt Egyptian Englishman Europe European Facebook Ferrari Fiat
    Finland Finnish Florida Ford Frenchman Frenchmen Frisbee Geneva Germans Germany God Google Greece Greeks
    Halloween Hamburg Harley-Davidson Havana Hawaii Heineken Hindu Hollywood Honda Houston Hungarian Hungary
    India Indians Instagram Internet Iran Iraq Ireland Irishman Israel Israeli Istanbul Italians Italy Jaguar
    Jamaica Jeep Jerusalem Jesus Jews Kentucky Kenya Kleenex Korea Korean Kyoto Lego Lima Lisbon Liverpool London
    Lycra Madrid Manchester Manhattan Mars Mecca Mercedes Mexican Mexicans Mexico Miami Milan Montreal Morocco
    Moscow Munich Muslims Naples Nazi Nazis Netherlands Nevada Nigeria Nike Nintendo Norway Norwegian Oregon
    Orthodox Oslo Oxford Pacific Pakistan Paris Pepsi Perspex Peru Philadelphia Plexiglas Poland Polaroid Porsche
    Portugal Portuguese Prague Prozac Rio Rolex Rome Roman Romans Romania Russia Russians Sahara Santa Satan
    Scotch Scotland Scottish Scots Seattle Seoul Shanghai Siberia Sikh Singapore Skype Soho Soviet Spain Spaniard
    Starbucks Stockholm Sweden Swedish Swiss Switzerland Sydney Tesla Texan Texas Thai Thailand Tokyo Toronto
    Toyota Tupperware Turkey Turkish Twitter Ukraine Ukrainian Vaseline Velcro Venice Venus Versailles Vespa
    Vienna Vietnam Vietnamese Virginia Volkswagen Volvo Warsaw Washington Welsh Wi-Fi Yamaha YouTube Zurich"""
)
"""Capitals that mean nobody of the story: places, peoples, faiths, makes. Words of the calendar: `data.entities`."""
_STUFF = _table(
    """air applause ash bacon beer blood bread breakfast breath broth business butter cash cement chalk champagne chaos
    cheese chocolate church class cloth clothing coal coffee concrete confetti cotton court cream darkness dawn
    daylight death debris dew dinner dirt dough downstairs downtown dust electricity everything fabric fat fear
    fire fireworks flesh flour foam fog foliage food frost froth fuel fur furniture garbage gas glass gold grass
    gravel gravity grease gunfire hail hair ham heat honey ice indoors ink ivy jelly juice justice ketchup lace
    land laughter lava leather leaves life light lightning lipstick liquid liquor litter love luggage lunch
    machinery mail makeup marble mascara meat medicine metal midday milk mist money moonlight moss mould mud
    music nature newspaper night noon oatmeal oil onscreen outdoors oxygen paint panic paper parchment pasta
    peace perfume petrol pizza plaster plastic poison pollen porridge poverty powder pressure rainwater resin
    ribbon rice rock rope rubbish rubble rum rust salt sand sawdust scenery school seawater seaweed sewage shadow
    shampoo silence silk silver sleet slime sludge smoke snow soap soda soil soup spray static steam steel stone
    straw string stuff sugar sunlight sunrise sunset sunshine supper surf suspense sweat tape tar tea tension
    terror text thread thunder tide timber time tinsel title toast tobacco toothpaste traffic trash twilight
    upstairs urine vapor vapour vegetation vinegar vodka vomit war warmth water wax whiskey whisky wildlife wind
    wine wire wood wool work wreckage yarn yeast yoghurt"""
)
"""What opens a sentence without an article and has a verb in -s, yet is nobody: 'Water drips from the tap.'"""
COMMON_NAMES = _table(
    """Angel Art April August Autumn Basil Bill Bob Chance Charity Chase Chip Clay Daisy Dawn Destiny Drew Earnest
    Ernest Eve Faith Fern Flora Forest Frank Gene Ginger Glen Grace Grant Guy Hazel Heather Holly Hope Hunter
    Iris Ivy Jack Jasmine Jewel Joy June Lance Lily Mark Max May Melody Mercy Miles Nick Olive Opal Pansy Pat
    Patience Pearl Penny Piper Pierce Poppy Ray Reed Rich Rob Robin Rocky Rose Ruby Rusty Sandy Skip Stone Storm
    Sue Summer Sunny Trip Victor Viola Violet Wade Ward Will Willow Winter"""
)
"""Names that are words too: where they open a sentence, what follows has to speak for a person."""
_CLAUSE = re.compile(r"\b(?:and|as|while|when|then|before|after|who|but|where|until|so)\b|[;.!?:]")

_LABELS = _table(
    """adult all announcer applause audience baby bell boy boys both cat chanting chatter child children chorus crew
    crowd dog door driver everyone father female gentleman girl girls group guard hymn kid kids ladies lady
    laughter loudspeaker male man men mob mom mother music narration narrator news newsreader nurse officer
    operator other others phone pilot police policeman presenter priest radio recording reporter singer siren
    soldier soldiers song speaker student subtitle teacher teenager television tv translator translation voice
    voices waiter waitress whispering woman women voiceover automated computer computerised computerized
    electronic elderly old young first second third one two together in on over the of
    commentator narrating narrative voiced erzähler erzählerin sprecher sprecherin stimme narrateur narratrice voix
    narrador narradora voz narratore voce verteller berättare"""
)


def is_label(speaker: str) -> bool:
    """Whether a speaker of subtitles is a sound or anybody: 'MUSIC', 'MAN 1', 'Narrator', 'WOMAN ON TV'."""
    words = re.findall(r"[^\W\d_]+", speaker.lower())
    return not words or bool(re.search(r"[\d♪#\[\](){}]", speaker)) or all(word in _LABELS for word in words)


_CAPITAL_NOUNS = ("de", "lb", "gsw", "nds")
"""Languages that write every noun with a capital, so that only known names tell."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A person's name in a caption: where it stands, the possessive's ending left out, and its words without titles."""

    start: int
    end: int
    name: str


class PeopleFinder:
    """Finds people's names in captions.

    Args:
        known: names that are known, wherever they stand: a cast's, the subtitles', those of cues by a person.
        corpus: text of the same film: what it writes in small letters is no name where a sentence opens.
        language: of the captions, as a tag.
    """

    def __init__(self, known: Collection[str] = (), corpus: Iterable[str] = (), language: str = "en") -> None:
        self.known = {word: word for name in known for word in (name, *_WORD.findall(name)) if _is_name(word)}
        self._stripper = EntityStripper([word for word in self.known if word not in COMMON_NAMES], corpus)
        self._capitals = language.split("-")[0].lower() not in _CAPITAL_NOUNS

    def knows(self, name: str) -> bool:
        """Whether a name, or each word of it, is known."""
        folded = {word.casefold() for word in self.known}
        return name.casefold() in folded or all(word.casefold() in folded for word in _WORD.findall(name))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = sorted(self.known, key=len, reverse=True)
        either = "|".join(f"{re.escape(form)}|{re.escape(form.upper())}" for form in forms)
        return re.compile(rf"(?<![\w’'-])(?:{either})(?![\w-])" if forms else r"(?!)")

    def mentions(self, text: str) -> list[Mention]:
        """Who is named, in order. What stands in quotation marks is read, not called."""
        plain = _QUOTED.sub(lambda match: " " * len(match[0]), text)
        shouted = plain.isupper()
        found = [] if shouted or not self._capitals else list(self._by_capitals(plain))
        for match in self._pattern.finditer(plain):
            word = next(form for form in (match[0], *self.known) if form in self.known and _same(form, match[0]))
            free = not any(one.start < match.end() and match.start() < one.end for one in found)
            if free and not (word in COMMON_NAMES and (shouted or not _acts(plain, match.start(), match.end()))):
                found.append(Mention(match.start(), match.end(), word))
        return sorted(found, key=lambda one: one.start)

    def _by_capitals(self, text: str) -> Iterator[Mention]:
        for run in self._stripper.runs(text):
            before, owner = text[: run.start], False
            # In "Bob's Mercedes" the second name is a thing, unless somebody is known to be called so.
            for piece in re.finditer(r"\S+?(?:['’]s\b)|\S+(?: (?!\S+['’]s\b)\S+)*", text[run.start : run.end]):
                start = run.start + piece.start()
                said = _ENDING.sub("", piece[0].rstrip(".,"))
                title = TITLED.match(said)
                core = said[title.end() :] if title else said
                words = _WORD.findall(core)
                opens = run.opens and piece.start() == 0
                earlier = _TITLE_BEFORE.search(before) if piece.start() == 0 else None
                if earlier:  # 'Then Mr. Pike': the full stop of a title ends no sentence
                    start, title, opens = earlier.start(), title or TITLED.match(earlier[0]), False
                if words and self._person(words, title is not None, before, opens, owner, run.stand_in, text, start):
                    yield Mention(start, run.start + piece.start() + len(said), core)
                owner, before = piece[0] != said, text[: run.start + piece.end()]

    def _person(
        self, words: Sequence[str], titled: bool, before: str, opens: bool, owned: bool, stand_in: str, text: str,
        start: int,
    ) -> bool:  # fmt: skip
        """Whether capital words are a person's name, by themselves and by what stands before them."""
        previous = (re.findall(r"[\w'’]+", before[-30:]) or [""])[-1]
        if any(word in COMMON_NAMES for word in words) and len(words) == 1 and not titled:
            known = words[0] in self.known
            if known or opens or not _acts(text, start, start + len(words[0])):
                return known and _acts(text, start, start + len(words[0]))
        if all(word in self.known or word.capitalize() in self.known for word in words):
            return True
        if all(word.isupper() and len(word) > 1 for word in words):
            return False  # TV, FBI, what a sign says
        if any(word in _NOBODY for word in words) or (opens and words[0].lower() in _STUFF):
            return False
        if titled:
            return True
        thing = previous.lower() in _BEFORE_THINGS or previous.endswith(("'s", "’s")) or owned
        return not thing and stand_in.lower().startswith(("someone", "some people"))


def _is_name(word: str) -> bool:
    """Whether a word may be a name: a letter that has no case, or a capital first."""
    return len(word) > 1 and not word[0].islower() and re.fullmatch(f"{TITLES}|{RANKS}", word) is None


def _same(form: str, said: str) -> bool:
    return said in (form, form.upper())


def _acts(text: str, start: int, end: int) -> bool:
    """Whether a name that is a word too stands for a person here, and not for a month or a flower."""
    before = (re.findall(r"[\w'’]+", text[:start]) or [""])[-1].lower()
    opens = start == 0 or text[:start].rstrip().endswith((".", "!", "?", ":"))
    if not opens:
        return text[start:end] not in ("May", "June", "April", "August") or before not in _BEFORE_TIMES
    following = text[end:]
    verb = re.match(r" (?:\w+ly )?(\w+)", following)
    return bool(re.match(r",|['’]s\b| and [A-Z]", following)) or (
        verb is not None and (verb[1].endswith("s") or verb[1] in ("is", "has")) and not verb[1].endswith("ss")
    )


def named_twice(text: str, finder: PeopleFinder) -> tuple[str, ...]:
    """Names that stand for two people of a text: 'Aziz, in blue, pursues Aziz', but not 'Ann sits and Bob hugs Ann'."""
    found: dict[str, Mention] = {}
    twice: dict[str, None] = {}
    for one in finder.mentions(text):
        earlier = found.get(one.name)
        if earlier is not None and text[one.end : one.end + 2] not in ("'s", "’s"):
            between = LOOK_AFTER.sub(" ", text[earlier.end : one.start])
            if not _CLAUSE.search(between) or between.strip() == "and":
                twice[one.name] = None
        found[one.name] = one
    return tuple(twice)


def speaker_names(labels: Iterable[str]) -> list[str]:
    """The people whom labels of speakers name, each once: 'PALOMA' is Paloma, and sounds and anybody are left out."""
    names = (label.title() if label.isupper() else label for label in labels if not is_label(label))
    return list(dict.fromkeys(" ".join(name.split()) for name in names))


def names_said(lines: Iterable[str], finder: PeopleFinder) -> frozenset[str]:
    """All whom some lines name."""
    return frozenset(one.name for line in lines for one in finder.mentions(line))


def looks_told(lines: Iterable[str], finder: PeopleFinder) -> dict[str, str]:
    """The looks that some lines tie to names, those of later lines in place of earlier ones."""
    found: dict[str, str] = {}
    for line in lines:
        found |= tied_looks(line, [(one.start, one.end, one.name) for one in finder.mentions(line)])
    return found
