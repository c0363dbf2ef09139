"""Who may be in a film, by its dialogue: those who speak, and those who are called ("Come here, Paloma!")."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from calvin.captioners.people_names import COMMON_NAMES, is_label
from calvin.core.prompts import clean_line
from calvin.core.types import DialogueLine
from calvin.data.entities import GENERIC, RANKS, TITLES
from calvin.media.speakers import is_sound

_TITLED = rf"(?:(?:{TITLES}|{RANKS})\s+)?"
_NAME = rf"(?P<name>{_TITLED}[A-ZÀ-ÖØ-Þ][\w’'-]*\w(?:\s+[A-ZÀ-ÖØ-Þ][\w’'-]*\w)?)"
_CALLS = re.compile(
    rf",\s+{_NAME}\s*(?=[,.!?…]|$)"
    rf"|\b(?:[Hh]ello|[Hh]i|[Hh]ey|[Gg]ood ?bye|[Bb]ye|[Dd]ear|[Tt]hanks|[Tt]hank you|[Gg]ood (?:morning|night|evening"
    rf"|day)),?\s+{_NAME.replace('?P<name>', '?P<greeted>')}\b"
)
"""Who is called where only a name has a capital letter."""
_OPENS = re.compile(rf"(?:^|[.!?…]\s+)[-–—]?\s*{_NAME}\s*(?=[,!?])")
"""Who is called at the beginning of a sentence, where any word has a capital letter."""
_ORDER = (
    r"(?:please |just |now |quick |do |don[’']t |do not |never |let[’']s )*(?:answer|be|breathe|bring|call|calm|catch|"
    r"close|come|do|don[’']t|drop|fetch|follow|forget|forgive|get|give|go|grab|hear|help|hide|hold|hurry|jump|keep|kiss|"
    r"lead|leave|let|let[’']s|listen|look|make|meet|move|open|pass|pick|play|promise|pull|push|put|read|relax|remember|"
    r"run|say|see|show|shut|sing|sit|sleep|slow|smile|speak|stand|stay|stop|swear|take|talk|tell|think|throw|trust|try|"
    r"turn|wait|wake|walk|watch|write)"
)
_ORDERED = re.compile(rf"(?:^|[.!?…]\s+)[-–—]?\s*{_NAME}\s*,\s+(?={_ORDER}\b)")
"""Who is told to do something: 'Faith, wait.'"""
_NO_NAME = re.compile(
    r"(?:\w+(?:ous|ful|less)|(?!(?:emi|sal|sel|kel|shel|bil|wil|mol|pol|dol|carly|har|bever|kimber|car|nel|el|i?ta|rol)ly)\w{3,}ly|"
    r"agreed|granted|interesting|amazing|charming|disgusting|terrible|incredible|horrible|brilliant|excellent|quick|careful|easy|quiet|perhaps|maybe|sometimes|great|good|lovely|perfect|"
    r"alright|ready|steady|besides|however|instead|otherwise|to(?:morrow|day|night)|yesterday|look|go|run|wait|come|"
    r"somehow|better|best|hush|shh+|ha|ah|oh|uh|um|hm+|ugh|wow|whoa|ouch|ow|huh|bye|goodbye|hurry|jump|honestly|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|july|september|october|november|december)",
    re.IGNORECASE,
)
"""What stands before an order and is no name: 'Marvellous, come in.'"""
_ADDRESS = frozenset(
    re.findall(
        r"[\w']+",
        """amen angel babe bitch blimey boys bravo buddy captain cheers christ comrade congratulations damn darling
        dear dears dude enough excuse fine folks fool friends gentlemen girls god gosh great grandad guys hallelujah
        heaven hell hey hi honey honour hooray indeed jesus ladies listen lord lordship love ma'am madam maestro majesty
        man mate merci mum mummy nonsense okay ok ooh pal pardon please pop right sir sire son sonny sorry stop sugar
        sure sweetheart sweetie thanks true welcome well what why yeah yep yo""",
    )
)
"""Words by which anybody may be called, and others that stand alone before a comma."""
_VOICE_OVER = re.compile(r"\b(?:v\.?o|o\.s)\b\.?")
_NUMBER = re.compile(r"(?:#|no\.?)?\s*\d+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """Somebody who may be in the film: the lines that they speak, those in which they are called, and a doubt, if any,
    that this is a name."""

    name: str
    aliases: tuple[str, ...] = ()
    spoken: tuple[DialogueLine, ...] = ()
    called: tuple[DialogueLine, ...] = ()
    doubt: str = ""

    @property
    def why(self) -> str:
        """'speaks 3 times, is called once'."""
        parts = [f"{what} {_times(len(lines))}" for what, lines in (("speaks", self.spoken), ("is called", self.called))
                 if lines]  # fmt: skip
        return ", ".join(parts)


def propose(lines: Sequence[DialogueLine]) -> tuple[list[Proposal], list[str]]:
    """Those who speak or are called, who speaks most first; and the labels that name nobody ('MAN 1', 'MUSIC')."""
    spoken: dict[str, list[DialogueLine]] = defaultdict(list)
    called: dict[str, list[DialogueLine]] = defaultdict(list)
    nobody: dict[str, None] = {}
    for line in lines:
        name = proper(line.speaker)
        if name and not means_nobody(name):
            spoken[name].append(line)
        elif name:
            nobody[name] = None
    small = {word for line in lines if not line.text.isupper() for word in re.findall(r"\b[a-z][\w'’-]+", line.text)}
    for line, name in _calls(lines, small, set(spoken)):
        called[name].append(line)
    found = {
        name: Proposal(name, (), tuple(spoken.get(name, ())), tuple(called.get(name, ())), _doubt(name, small, spoken))
        for name in (*spoken, *(name for name in called if name not in spoken))
    }
    people = sorted(_joined(found), key=lambda one: (-len(one.spoken), -len(one.called)))
    return people, list(nobody)


def proper(name: str) -> str:
    """'PALOMA' -> 'Paloma', 'DR. O'NEIL' -> 'Dr. O'Neil'; a name that has small letters stays as it is."""
    name = clean_line(name).strip(" .:-–—")
    return re.sub(r"[’'](S)\b", lambda match: match[0].lower(), name.title()) if name.isupper() else name


def means_nobody(name: str) -> bool:
    """Whether a label could mean anybody ('Man 1', 'The Waiter', 'All', 'Young Woman') or is a sound."""
    words = re.findall(r"[^\W\d_]+", _VOICE_OVER.sub("voice", _NUMBER.sub(" ", re.sub(r"['’]s\b", "", name.lower()))))
    return is_sound(name) or all(
        word in GENERIC or word in _ADDRESS or _is_title(word) or is_label(word) for word in words
    )


def _is_title(word: str) -> bool:
    return re.fullmatch(f"{TITLES}|{RANKS}", word.title()) is not None


def _calls(lines: Sequence[DialogueLine], small: set[str], speakers: set[str]) -> Iterable[tuple[DialogueLine, str]]:
    """Each line in which somebody is called by name, in the order of the film."""
    sure = {name for line in lines for name in _names(_CALLS, line)} | speakers
    opens: dict[str, int] = defaultdict(int)
    for line in lines:
        for name in _names(_OPENS, line):
            opens[name] += 1
    # Once at the beginning of a sentence is no evidence: "Marvellous, come in."
    sure |= {name for name, count in opens.items() if count > 1 and name.lower() not in small}
    sure |= {name for line in lines for name in _names(_ORDERED, line) if _is_called(name, small)}
    for line in lines:
        for name in dict.fromkeys((*_names(_CALLS, line), *_names(_OPENS, line))):
            if name in sure:
                yield line, name


def _is_called(name: str, small: set[str]) -> bool:
    """Whether who is told to do something where a sentence opens is called by a name: one that is known to be a name
    too ('Faith'), or what is no other word."""
    return name in COMMON_NAMES or not (name.lower() in small or _NO_NAME.fullmatch(name))


def _names(pattern: re.Pattern[str], line: DialogueLine) -> list[str]:
    if line.text.isupper():
        return []  # capitals say nothing here
    found = []
    at = 0
    while match := pattern.search(line.text, at):
        name = match.groupdict().get("greeted") or match["name"]
        at = match.end() if match.end() > at else at + 1
        first, *rest = name.split()
        if rest and (first.lower() in _ADDRESS or first.lower() in GENERIC) and not _is_title(first):
            name = " ".join(rest)
        if not means_nobody(name):
            found.append(name)
    return found


def _doubt(name: str, small: set[str], spoken: Iterable[str]) -> str:
    if name not in spoken and name.lower() in small:
        return f"{name.lower()!r} is also a word of the dialogue"
    return ""


def _joined(found: dict[str, Proposal]) -> list[Proposal]:
    """Proposals of which those that are part of exactly one other ('Smith' of 'John Smith') are joined to it."""
    words = {name: frozenset(word for word in name.casefold().split() if not _is_title(word)) for name in found}
    people = dict(found)
    for same in (True, False):  # 'Smith' and 'Mr. Smith' first, so that both are one part of 'John Smith'
        for name in sorted(found, key=len):
            if name not in people or not words[name]:
                continue
            longer = [
                other
                for other in people
                if (words[name] == words[other] and len(other) > len(name) if same else words[name] < words[other])
            ]
            if len(longer) == 1:
                people[longer[0]] = _with(people[longer[0]], people.pop(name))
    return list(people.values())


def _with(whole: Proposal, part: Proposal) -> Proposal:
    # A single word of a full name is understood without being an alias.
    alias = () if part.name in whole.name.split() else (part.name,)
    return replace(
        whole,
        aliases=(*whole.aliases, *alias, *part.aliases),
        spoken=tuple(sorted((*whole.spoken, *part.spoken), key=lambda line: line.span)),
        called=tuple(sorted((*whole.called, *part.called), key=lambda line: line.span)),
    )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
