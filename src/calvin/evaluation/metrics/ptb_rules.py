"""The rules of the Penn Treebank scanner, in order of precedence.

A rule is a pattern for the token, a pattern for what must follow, and how the token is written. Literals ignore case;
classes in `(?-i:...)` do not. The order, the vocabulary of abbreviations and the odd corners are those of Stanford's
scanner of 2014, found by comparing with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class Rule:
    """`pattern` holds the token in group 1 and the context behind it; `write` turns found text into the token;
    `give_back` says how many characters at the token's end are to be read again; `starts` is a class of first
    characters (None: any)."""

    pattern: re.Pattern[str]
    write: Callable[[str], str] = str
    give_back: int = 0
    starts: str | None = None


def _classes(*wanted: str) -> list[str]:
    """For each category of Unicode ("L", "Nd", ...): its characters in the basic plane, as the inside of a class."""
    ranges: list[list[list[int]]] = [[] for _ in wanted]
    for code in range(0x10000):
        category = unicodedata.category(chr(code))
        for kept, prefix in zip(ranges, wanted, strict=True):
            if category.startswith(prefix):
                if kept and kept[-1][1] == code - 1:
                    kept[-1][1] = code
                else:
                    kept.append([code, code])
    return ["".join(f"\\u{low:04x}-\\u{high:04x}" for low, high in kept) for kept in ranges]


LETTERS, DIGITS, UPPER = _classes("L", "Nd", "Lu")
MARKS = (  # signs that the scanner counts as letters although Unicode does not
    "\u00ad\u02c2-\u02c5\u02d2-\u02df\u02e5-\u02ff\u0300-\u036f\u0375\u0378\u0379\u0384\u0385\u03f6\u0483-\u0487\u055a-\u055f"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0615-\u061a\u064b-\u065e\u0670\u06d6-\u06ef\u06fa-\u06ff\u070f\u0711"
    "\u0730-\u074f\u07a6-\u07b1\u07ca-\u07f5\u07fa\u0900-\u0903\u093c\u093e-\u094e\u0951-\u0955\u0962\u0963\u0981-\u0983"
    "\u09bc-\u09c4\u09c7\u09c8\u09cb-\u09cd\u09d7\u09e2\u09e3\u0a01-\u0a03\u0a3c\u0a3e-\u0a4f\u0a81-\u0a83\u0abc-\u0acf\u0b82"
    "\u0bbe-\u0bc2\u0bc6-\u0bc8\u0bca-\u0bcd\u0c01-\u0c03\u0c3e-\u0c56\u0d3e-\u0d44\u0d46-\u0d48\u0e30-\u0e3a\u0e47-\u0e4e"
    "\u0eb1-\u0ebc\u0ec8-\u0ecd"
)

SPACE = "[ \t\u00a0\u2000-\u200a\u3000]"
SPACENL = "[ \t\u00a0\u2000-\u200a\u3000\r\n\u2028\u2029\x0b\x0c\x85]"
ENTITY = "&[aeiou](?:acute|grave|uml);"
LETTER = f"(?:[{LETTERS}{MARKS}]|{ENTITY})"
ALNUM = f"(?:[{LETTERS}{MARKS}{DIGITS}]|{ENTITY})"
DIGIT = f"[{DIGITS}]"
WORD = f"{LETTER}{ALNUM}*(?:[.!?]{LETTER}{ALNUM}*)*"
APOS = "(?:['\u0092\u2019]|&apos;)"
QUOTE_IN_WORD = "(?:['\u0092\u2019`\u0091\u2018\u201b]|&apos;)"
HYPHEN = "[-_\u058a\u2010\u2011]"
NUM = f"(?:{DIGIT}+(?:[.:,\u00ad\u066b\u066c]{DIGIT}+)*|(?:[.:,\u00ad\u066b\u066c]{DIGIT}+)+)"
NUMBER = f"[-+]?{NUM}"
PLAIN = f"[{LETTERS}{DIGITS}]"
INSIDE = "[,;:\u3001]"
ACRO = r"(?:[A-Za-z](?:\.[A-Za-z])*|(?:Canada|Sino|Korean|EU|Japan|non)-U\.S|U\.S\.-(?:U\.K|U\.S\.S\.R))"
LONG_ACRO = r"(?:[A-Za-z](?:\.[A-Za-z])+|(?:Canada|Sino|Korean|EU|Japan|non)-U\.S|U\.S\.-(?:U\.K|U\.S\.S\.R))"
TAG = (
    r"<(?:[!?][A-Za-z-][^>\r\n]*"
    r"|/?[A-Za-z][A-Za-z0-9_:.-]*(?:[ ]+(?:[A-Za-z][A-Za-z0-9_:.-]*"
    r"|[A-Za-z][A-Za-z0-9_:.-]*[ ]*=[ ]*['\"][^\r\n'\"]*['\"]|['\"][^\r\n'\"]*['\"]))*[ ]*/?[ ]*)>"
)

# abbreviations whose full stop also ends the sentence where a capital follows
BEFORE_SMALL = (
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mon|Tues?|Wed|Thu|Thurs|Fri"
    "|Ala|Ariz|(?-i:[A])z|(?-i:[A])rk|Calif|Colo|Conn|Ct|Dak|(?-i:[D])el|Fla|Ga|(?-i:[I])ll|Ind|Kans?|Ky|(?-i:[L])a"
    "|(?-i:[M])ass|Md|Mich|Minn|(?-i:[M])iss|Mo|Mont|Neb|Nev|Okla|(?-i:[O])re|(?-i:[P])a|Penn|Tenn|(?-i:[T])ex|Va|Vt"
    "|(?-i:[W])ash|Wisc?|Wyo|Inc|Cos?|Corp|Pp?t(?-i:[ye])s?|Ltd|Plc|Rt|Bancorp|Bhd|Assn|Univ|Intl|Sys|tel|est|ext|sq"
    r"|Jr|Sr|Bros|(?:Ed|Ph)\.D|Blvd|Rd|Esq|etc|al|seq|bldg"
)
# abbreviations before names, whose full stop never ends a sentence
BEFORE_NAME = (
    f"{ACRO}|Mr|Mrs|Ms|(?-i:[M])iss|Drs?|Profs?|Sens?|Reps?|Attys?|Lt|Col|Gen|Messrs|Govs?|Adm|Rev|Maj|Sgt|Cpl|Pvt|Mt|Capt"
    "|Ste?|Ave|Pres|Lieut|Hon|Brig|Co?mdr|Pfc|Spc|Supts?|Det|Ft|Adj|Adv|Asst|Assoc|Ens|Insp|Mlle|Mme|Msgr|Sfc"
    f"|vs|Alex|Wm|Jos|Cie|a\\.k\\.a|cf|TREAS|Ph|Invt|Elec|Natl|M(?-i:[ft])g|Dept"
)
BEFORE_NUMBER = r"(?:ca|figs?|prop|nos?|art|bldg|pp|op)\."
SENTENCE_START = (  # words that show that the acronym before them ended a sentence
    "(?-i:About|According|Additionally|After|An|A|As|At|But|Earlier|He|Her|Here|However|If|In|It|Last|Many|More"
    r"|Mr\.|Ms\.|Now|Once|One|Other|Our|She|Since|So|Some|Such|That|The|Their|Then|There|These|They|This|We|When"
    "|While|What|Yet|You)"
)
URL_END = r"[^ \t\n\f\r\"<>|.!?(){},-]"
THING = (
    f"(?:(?-i:[dDoOlL]){QUOTE_IN_WORD}{PLAIN})?{PLAIN}+(?:{HYPHEN}(?:(?-i:[dDoOlL]){QUOTE_IN_WORD}{PLAIN})?{PLAIN}+)*"
)
THING_START = f"[{LETTERS}{DIGITS}]"
HYPHENATED = f"[A-Za-z0-9][A-Za-z0-9.,\u00ad]*(?:-(?:{LONG_ACRO}\\.|[A-Za-z0-9\u00ad]+))+"
LIKELY_URL = (
    r"(?:www\.(?:[^ \t\n\f\r\"<>|.!?(){},]+\.)+[a-zA-Z]{2,4}"
    r"|(?-i:[^ \t\n\f\r\"`'<>|.!?(){},-_$]+\.)+(?:com|net|org|edu))"
    rf"(?:/[^ \t\n\f\r\"<>|()]+{URL_END})?"
)
NOT_IN_EMAIL = ' \t\n\f\r"<>|(){}\u00a0'
EMAIL = f"(?:&lt;|<)?[a-zA-Z0-9][^{NOT_IN_EMAIL}]*@(?:[^{NOT_IN_EMAIL}.]+\\.)*[^{NOT_IN_EMAIL}.]+(?:&gt;|>)?"
FILE_NAME = (
    f"[{LETTERS}{DIGITS}]+(?:\\.[{LETTERS}{DIGITS}]+)*\\.(?:bat|bmp|c|class|cgi|cpp|dll|docx?|exe|gif|gz|h|html?|jar"
    "|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt|wav|x|xml|zip)"
)
PHONE = (
    "(?:\\([0-9]{2,3}\\)[ \u00a0]?|(?:\\+\\+?)?(?:[0-9]{2,4}[- \u00a0])?[0-9]{2,4}[- \u00a0])"
    "[0-9]{3,4}[- \u00a0]?[0-9]{3,5}"
    "|(?:(?:\\+\\+?)?[0-9]{2,4}\\.)?[0-9]{2,4}\\.[0-9]{3,4}\\.[0-9]{3,5}"
)
APOSTROPHE_WORD = (
    f"{APOS}n{APOS}?|[lLdDjJ]{APOS}|Dunkin{APOS}|somethin{APOS}|ol{APOS}|{APOS}em"
    f"|(?-i:[A-HJ-XZn]){QUOTE_IN_WORD}[{LETTERS}]{{2,}}|{APOS}[2-9]0s|{APOS}till?"
    f"|[{LETTERS}]+[aeiouyAEIOUY]{QUOTE_IN_WORD}(?-i:[aeiouA-Z])[{LETTERS}]*"
    f"|{APOS}cause|cont'd\\.?|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l|nat'l|O{QUOTE_IN_WORD}o"
)
ASSIMILATED = frozenset(["cannot", "gonna", "gotta", "lemme", "gimme", "wanna"])
SPACED_DOTS = "\\.[ \u00a0](?:\\.[ \u00a0]){1,3}\\."
UPPER_PAIR = "(?-i:[A-Z]+(?:[+&](?:amp;)?[A-Z]+)+)"
SMILEY = r"(?-i:[<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]])"
ASIAN_SMILEY = (
    r"(?-i:[\^x=~<>]\.\[\^x=~<>]|[-\^x=~<>']_[-\^x=~<>']|\([-\^x=~<>'][_.]?[-\^x=~<>']\)|\([\^x=~<>']-[\^x=~<>'`]\))"
)
SYMBOLS = (
    "[+%&~^|\\\\\u00a6-\u00a9\u00ac\u00ae-\u00ba\u00d7\u00f7\u0387\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0600-\u0603\u0606-\u060a\u060c"
    "\u0614\u061b\u061e\u066a\u066d\u0703-\u070d\u07f6-\u07f8\u0964\u0965\u0e4f\u1fbd\u2016\u2017\u2020-\u2023\u2030-\u2038"
    "\u203b\u203e-\u2042\u2044\u207a-\u207f\u208a-\u208e\u2100-\u214f\u2190-\u21ff\u2200-\u2bff\u3001\u3002\u3005\u3006\u3012\u30fb"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
)
QUOTES = f"[`\u2018-\u201f\u0091-\u0094\u2039\u203a\u00ab\u00bb]{{1,2}}|{APOS}"

LEFT_SINGLE = re.compile("[\u0082\u008b\u0091\u2018\u201b\u2039]")
RIGHT_SINGLE = re.compile("[\u0092\u009b\u2019\u203a]")
LEFT_DOUBLE = re.compile("[\u0084\u0093\u201c\u00ab]|[\u0091\u2018]'")
RIGHT_DOUBLE = re.compile("[\u0094\u201d\u00bb]|[\u0092\u2019]'")
CURRENCIES = {"\u00a2": "cents", "\u00a3": "#", "\u0080": "$", "\u20a0": "$", "\u20ac": "$", "\u00a4": "$"}
FRACTIONS = {"\u00bc": "1/4", "\u00bd": "1/2", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3"}


def _quotes(token: str, left: bool) -> str:
    single, double = ("`", "``") if left else ("'", "''")
    token = re.sub("&apos;|'", single, token)
    token = re.sub("\"|''|&quot;", double, token)
    token = RIGHT_SINGLE.sub("'", LEFT_SINGLE.sub("`", token))
    return RIGHT_DOUBLE.sub("''", LEFT_DOUBLE.sub("``", token))


_opening, _closing = partial(_quotes, left=True), partial(_quotes, left=False)


def _without_soft_hyphens(token: str) -> str:
    return token.replace("\u00ad", "") or "-"


def _brackets(token: str) -> str:
    return token.replace("(", "-LRB-").replace(")", "-RRB-")


def _joined(token: str) -> str:
    return token.replace(" ", "\u00a0")


def _ampersand(token: str) -> str:
    return token.replace("&amp;", "&")


def _currency(token: str) -> str:
    return CURRENCIES.get(token, token)


def _dashes(token: str) -> str:
    return "--" if 3 <= len(token) <= 4 else token


def _fixed(written: str) -> Callable[[str], str]:
    return lambda token: written


def _rule(
    token: str, context: str = "", write: Callable[[str], str] = str, give_back: int = 0, starts: str | None = None
) -> Rule:
    return Rule(re.compile(f"({token}){context}", re.IGNORECASE | re.ASCII), write, give_back, starts)


def _cut(count: int) -> Callable[[str], str]:
    return lambda token: token[:-count]


def _acronym(token: str) -> str:
    return token[0] if len(token) == 2 else token


ALPHA = "[A-Za-z]"
WORDLIKE = f"[{LETTERS}{MARKS}&]"
APOSTROPHE = "['\u0092\u2019&]"
QUOTE_START = "['\"`&\u2018-\u201f\u0082\u0084\u0091-\u0094\u2039\u203a\u00ab\u00bb]"

# The longest match wins, so the order only decides between matches of equal length: a contraction's stem ("do" of
# "don't") has to come before the plain word, and an abbreviation before the full stop that it may end with.
RULES: tuple[Rule, ...] = (
    _rule(r"c\+\+|[cf]#", starts="[cCfF]"),
    _rule("cannot|'twas", write=_cut(3), give_back=3, starts="[cC']"),
    _rule(f"{APOS}tis|gonna|gotta|lemme|gimme|wanna", write=_cut(2), give_back=2, starts="[gGlLwW']"),
    _rule(TAG, write=_joined, starts="<"),
    _rule(
        "&(?:MD|mdash|ndash);|[\u0096\u0097\u2013\u2014\u2015]",
        write=_fixed("--"),
        starts="[&\u0096\u0097\u2013-\u2015]",
    ),
    _rule("&amp;", write=_ampersand, starts="&"),
    _rule("&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);", starts="&"),
    # What follows a token counts towards the length of the match, so these two win over the word with its apostrophe.
    _rule(WORD, f"{APOS}(?:[msd]|re|ve|ll)", write=_without_soft_hyphens, starts=WORDLIKE),
    _rule(
        "[A-Za-z\u00ad]*(?-i:[A-MO-Za-mo-z])\u00ad*",
        f"n{QUOTE_IN_WORD}t",
        write=_without_soft_hyphens,
        starts="[A-Za-z\u00ad]",
    ),
    _rule(WORD, write=_without_soft_hyphens, starts=WORDLIKE),
    _rule(APOSTROPHE_WORD, starts=f"{WORDLIKE}|{APOSTROPHE}"),
    _rule(f"y{APOS}", f"[{LETTERS}]", starts="[yY]"),
    _rule(rf"https?://[^ \t\n\f\r\"<>|(){{}}]+{URL_END}", starts="[hH]"),
    _rule(LIKELY_URL),
    _rule(EMAIL, starts="[&<a-zA-Z0-9]"),
    _rule(f"@[a-zA-Z_][a-zA-Z_0-9]*|#{LETTER}+", starts="[@#]"),
    _rule(f"{APOS}(?:[msd]|re|ve|ll)", "[^A-Za-z]", write=_closing, starts=APOSTROPHE),
    _rule(f"n{QUOTE_IN_WORD}t", "[^A-Za-z]", write=_closing, starts="[nN]"),
    _rule(f"{DIGIT}{{1,2}}[-/]{DIGIT}{{1,2}}[-/]{DIGIT}{{2,4}}", starts=DIGIT),
    _rule(NUMBER, write=_without_soft_hyphens, starts=f"[-+.:,\u00ad\u066b\u066c{DIGITS}]"),
    _rule(
        "[\u207a\u207b\u208a\u208b]?(?:[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+|[\u2080-\u2089]+)",
        starts="[\u00b2\u00b3\u00b9\u2070-\u208b]",
    ),
    _rule(f"(?:{DIGIT}{{1,4}}[- \u00a0])?{DIGIT}{{1,4}}(?:\\\\?/|\u2044){DIGIT}{{1,4}}", write=_joined, starts=DIGIT),
    _rule(
        "[\u00bc\u00bd\u00be\u2153-\u215e]",
        write=lambda token: FRACTIONS.get(token, token),
        starts="[\u00bc-\u00be\u2153-\u215e]",
    ),
    _rule(
        rf"-(?:RRB|LRB|RCB|LCB|RSB|LSB)-|C\.D\.s|pro-|anti-|S(?:&|&amp;)P-500|S(?:&|&amp;)Ls|Cap{APOS}n|c{APOS}est",
        write=_ampersand,
        starts="[-cpasCPAS]",
    ),
    _rule(r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}(?:\\?/[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}){1,2}", starts="[A-Za-z0-9]"),
    _rule(r"(?-i:[A-Z])*\$|#", starts="[A-Za-z$#]"),
    _rule("[\u00a2\u00a3\u00a4\u00a5\u0080\u20a0\u20ac\u060b\u0e3f\u20a4\uffe0\uffe1\uffe5\uffe6]", write=_currency),
    _rule(rf"{ACRO}\.", f"{SPACENL}+(?:{SENTENCE_START}|{TAG}){SPACENL}", write=_acronym, give_back=1, starts=ALPHA),
    _rule(BEFORE_NUMBER, f"{SPACENL}?{DIGIT}", starts=ALPHA),
    _rule(r"(?:pt[ey]|co)\.", f"{SPACE}(?:ltd|lim)", starts="[pcPC]"),
    # Its full stop is part of the abbreviation and, before a capital or at the end, read again as the sentence's own.
    _rule(rf"(?:{BEFORE_SMALL})\.", f"{SPACENL}(?:{SPACENL}|(?-i:[{UPPER}])|{TAG})", give_back=1, starts=ALPHA),
    _rule(rf"(?:{BEFORE_SMALL})\.", r"[\s\S]{2}", starts=ALPHA),
    _rule(rf"(?:{BEFORE_SMALL})\.", give_back=1, starts=ALPHA),
    _rule(rf"(?:{BEFORE_NAME})\.", starts=ALPHA),
    _rule(BEFORE_NAME, SPACE, starts=ALPHA),
    _rule(ACRO, SPACENL, starts=ALPHA),
    _rule(f"{APOS}[0-9][0-9]", SPACENL, starts=APOSTROPHE),
    _rule(FILE_NAME, f"(?:{SPACENL}|[.?!,])", starts=PLAIN),
    _rule(rf"{WORD}\.", INSIDE, write=_without_soft_hyphens, starts=WORDLIKE),
    _rule(PHONE, write=lambda token: _brackets(_joined(token)), starts="[0-9(+]"),
    _rule('"|&quot;', r"[A-Za-z0-9$]", write=_opening, starts=QUOTE_START),
    _rule("\"|''|&quot;", write=_closing, starts=QUOTE_START),
    _rule("<|&lt;", write=_fixed("<"), starts="[<&]"),
    _rule(">|&gt;", write=_fixed(">"), starts="[>&]"),
    _rule(SMILEY, "[^A-Za-z0-9]", write=_brackets, starts="[<>:;=]"),
    _rule(ASIAN_SMILEY, write=_brackets, starts=r"[-\^x=~<>'(]"),
    _rule(r"\{", write=_fixed("-LCB-"), starts=r"\{"),
    _rule(r"\}", write=_fixed("-RCB-"), starts=r"\}"),
    _rule(r"\[", write=_fixed("-LSB-"), starts=r"\["),
    _rule(r"\]", write=_fixed("-RSB-"), starts=r"\]"),
    _rule(r"\(", write=_fixed("-LRB-"), starts=r"\("),
    _rule(r"\)", write=_fixed("-RRB-"), starts=r"\)"),
    _rule("-+", write=_dashes, starts="-"),
    _rule(rf"\.{{3,5}}|[\u0085\u2026]|{SPACED_DOTS}", write=_fixed("..."), starts="[.\u0085\u2026]"),
    _rule("@+|#+|_+", starts="[@#_]"),
    _rule(r"\*+|(?:\\\*){1,3}", starts=r"[*\\]"),
    _rule(INSIDE, starts=INSIDE),
    _rule("[?!]+", starts="[?!]"),
    _rule("[.\u00a1\u00bf\u037e\u0589\u061f\u06d4\u0700-\u0702\u07fa\u3002]"),
    _rule("=", starts="="),
    _rule("/", starts="/"),
    _rule(HYPHENATED, write=_without_soft_hyphens, starts="[A-Za-z0-9]"),
    _rule(rf"{HYPHENATED}\.", INSIDE, write=_without_soft_hyphens, starts="[A-Za-z0-9]"),
    _rule(rf"(?:{THING})\.", INSIDE, starts=THING_START),
    _rule(THING, starts=THING_START),
    _rule(rf"{UPPER_PAIR}\.", INSIDE, write=_ampersand, starts="[A-Z]"),
    _rule(UPPER_PAIR, write=_ampersand, starts="[A-Z]"),
    _rule(
        "['`]|&apos;",
        "[A-Za-z][^ \t\u00a0\u2000-\u200a\u3000\r\n\u2028\u2029\x0b\x0c\x85]",
        write=_opening,
        starts="['`&]",
    ),
    _rule(f"{APOS}(?:[msd]|re|ve|ll)", write=_closing, starts=APOSTROPHE),
    _rule(QUOTES, write=_closing, starts=QUOTE_START),
    _rule("<<|>>", starts="[<>]"),
    _rule(SYMBOLS),
    _rule("[ \t\u00a0\u2000-\u200a\u3000]+|[\x00\u200b\u200e\u200f\ufeff]|&nbsp;", write=_fixed("")),
)
