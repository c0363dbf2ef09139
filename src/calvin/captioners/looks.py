"""How people look in captions, and names put where somebody looks as one who is known to.

'A man in a yellow coat hugs a woman in blue' becomes 'Ann, in a yellow coat, hugs a woman in blue' where it is known
that Ann, and nobody else, wears yellow. Who does what to whom is then as the captioner saw it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from calvin.captioners.agreement import agreeing, gender_told

_CLOTHES = (
    r"(?:over|rain|trench )?coat|jacket|dress|hat|shirt|t-shirt|blouse|skirt|gown|suit|uniform|sweater|jumper|cardigan|"
    r"hoodie|vest|waistcoat|cap|scarf|robe|apron|cloak|cape|helmet|mask|trousers|jeans|shorts|tie|bow tie|glasses|"
    r"sunglasses|spectacles|wig|beard|overalls|pyjamas|pajamas|tunic|turban|veil|headscarf|bonnet|boots|armou?r"
)
_ADJECTIVES = r"(?:an? |the )?(?:(?!(?:his|her|their) )[\w-]+ ){0,3}"
_LOOK = rf"(?:in|with|wearing|dressed in) {_ADJECTIVES}(?:{_CLOTHES})(?: and {_ADJECTIVES}(?:{_CLOTHES}))?"
LOOK_AFTER = re.compile(rf",? ({_LOOK}|in (?:black|white|red|blue|green|grey|uniform|rags))\b,?")
"""A look told after a name, with the commas around it."""
LOOK_FIRST = re.compile(rf"(?:^|(?<=[.!?] ))({_LOOK}), $", re.IGNORECASE)
"""A look told before a name, where a sentence opens."""

_COLOURS = frozenset(
    """beige black blonde blue bronze brown checked chequered cream crimson cyan dark denim flannel floral flowered fur
    gold golden gray green grey hooded indigo khaki lace lavender leather light lilac lime linen magenta maroon
    mauve navy nude olive orange pale patterned pink plaid polka-dot purple red scarlet sequined silk silver
    spotted striped straw tan tartan teal turquoise tweed velvet violet white woollen yellow""".split()  # noqa: SIM905
)
_PLACES_ON = {
    "head": "hat cap helmet turban veil headscarf bonnet wig",
    "legs": "skirt trousers jeans shorts",
    "eyes": "glasses sunglasses spectacles",
}
_WHERE = {word: place for place, words in _PLACES_ON.items() for word in words.split()}
_SAME = {"gray": "grey", "gold": "golden"}
_GARMENT = re.compile(rf"((?:[\w-]+ ){{0,3}})\b({_CLOTHES})\b", re.IGNORECASE)
_SOMEBODY = re.compile(
    rf"\b(?P<who>(?:an?|another|the) (?:(?:young|old|older|elderly|tall|bearded) )?(?:man|woman|boy|girl|person|lady)|"
    rf"someone)\b,? (?P<look>{_LOOK})\b(?P<comma>,?)",
    re.IGNORECASE,
)

Look = frozenset[tuple[str, str]]
"""Where on the body somebody wears what colour or stuff: {("body", "yellow"), ("head", "grey")}."""


def look_of(text: str) -> Look:
    """The look that a text tells: 'in a long yellow coat and a grey hat'. Garments alone tell nobody apart."""
    found = set()
    for words, garment in _GARMENT.findall(text):
        place = _WHERE.get(garment.lower(), "body")
        found |= {(place, _SAME.get(word, word)) for word in words.lower().split() if word in _COLOURS}
    return frozenset(found)


def fits(seen: Look, known: Look) -> bool:
    """Whether somebody seen may be somebody known: some place is told of both, and none of these is another."""
    places = {place for place, _ in seen} & {place for place, _ in known}
    agree = [{c for p, c in seen if p == place} & {c for p, c in known if p == place} for place in sorted(places)]
    both = "body" in {place for place, _ in seen} and "body" in {place for place, _ in known}
    # Coats decide: a hat comes off, and is small in the picture.
    return bool({c for p, c in seen & known if p == "body"}) if both else bool(agree) and all(agree)


def tied_looks(text: str, names: Iterable[tuple[int, int, str]]) -> dict[str, str]:
    """The looks that a text ties to names, after or before them: 'Ann, in a red coat, sits', 'In a red coat, Ann sits'.

    Args:
        names: where each begins and ends, and what it is.
    """
    found = {}
    for start, end, name in names:
        match = LOOK_AFTER.match(text, end) or LOOK_FIRST.search(text[:start])
        if match and look_of(match[1]):
            found[name] = match[1][0].lower() + match[1][1:]
    return found


def usual_look(told: Iterable[tuple[str, float]]) -> str:
    """The look of the one person whom several pictures show, by a caption of each and how much it counts.

    Others may stand in a picture too: whose coat is told of most pictures is meant, and what else is told of half of
    them. Blank where no look is told.
    """
    captions = [([match["look"] for match in _SOMEBODY.finditer(text)], weight) for text, weight in told]
    votes = Counter[tuple[str, str]]()
    for looks, weight in captions:
        for pair in frozenset[tuple[str, str]]().union(*map(look_of, looks)):
            votes[pair] += weight  # type: ignore[assignment]
    coats = [pair for pair in votes if pair[0] == "body"] or list(votes)
    if not coats:
        return ""
    best, half = max(coats, key=lambda pair: votes[pair]), sum(weight for looks, weight in captions if looks) / 2
    with_it = [look for looks, _ in captions for look in looks if best in look_of(look)]
    return max(with_it, key=lambda look: sum(votes[pair] - half for pair in look_of(look)))


def put_names(
    text: str, looks: Mapping[str, str], pronouns: Mapping[str, str] | None = None
) -> tuple[str, tuple[str, ...], str]:
    """A caption with the names of those whose look it tells, the names put in, and the caption with these names alone.

    Where a look fits two who are known, or two people of the caption fit one, nobody can tell, and it stays as it is.
    Pronouns follow those of the people named, where they are known ("she/her").
    """
    known = {name: look_of(look) for name, look in looks.items()}
    people = list(_SOMEBODY.finditer(text))
    fitting = [[name for name, look in known.items() if fits(look_of(one["look"]), look)] for one in people]
    times = Counter(name for names in fitting for name in names)
    put: dict[str, str] = {}
    whole, short, at = "", "", 0
    for match, names in zip(people, fitting, strict=True):
        owner = text[match.end() : match.end() + 2] in ("'s", "’s")
        if len(names) != 1 or times[names[0]] > 1 or owner:
            continue
        name = names[0]
        put[name] = gender_told(match["who"])
        before, within = text[at : match.start()], text[match.end("who") : match.end("who") + 1] == ","
        more = not re.match(r"[.,;:!?]|$", text[match.end() :]) and not match["comma"]
        whole += f"{before}{name}, {match['look']}{',' if more or match['comma'] else ''}"
        short += f"{before}{name}{'' if within else match['comma']}"
        at = match.end()
    whole, short = (agreeing(made + text[at:], pronouns or {}, put) for made in (whole, short))
    return whole, tuple(put), short
