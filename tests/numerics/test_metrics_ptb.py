"""Our Penn Treebank tokens against the Java program that coco-caption runs, in one call for all sentences."""

from __future__ import annotations

import random
import shutil

import pytest
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from calvin.evaluation.metrics import ptb_tokenize

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java here")

HARD = {
    "contractions": "don't can't won't isn't shan't ain't he'd she'll they've I'm you're it's IT'S shouldn't've y'all "
    "y'all's ma'am o'clock c'mon 'em 'til 'cause rock'n'roll 'n' ol' e'er ne'er ev'ry cannot CANNOT gonna gotta gimme "
    "lemme wanna 'tis 'Tis 'twas 'twould dunno whatcha d'you d'oh don’t it’s they’ll ’tis ‘tis don`t n't 's 'll",
    "possessives": "Mary's James' dogs' the boss's children's. women's, CD's CDs' 1980's '80s '90s. 5's Mike's! "
    "Xerxes's mother-in-law's U.S.'s somebody’s girls’ Chris's",
    "hyphens": "well-known 20-year-old mother-in-law x-ray co-op. re-enter, T-shirt t-shirts. mid-1990s non-U.S. "
    "Sino-U.S. over-the-top I-95 F-16s 3-D 50-50 10-to-1 naïve-looking six-foot-two pro-choice anti-war man- -man "
    "a-b-c_d uh-huh",
    "quotes": "\"Stop!\" “Stop,” ‘stop’ 'stop' 'a ``stop'' \"it's 'me'\" «stop» ‹stop› „stop“ ‚stop‘ '\"x\"' \"'x'\" "
    "don\"t 5'10\" 6'2'' `x' ''x'' \"\" '' ' \" `",
    "numbers": "3,000.50 12:55 5:30pm 1,234,567 .5 -5 +5 5. 5, 1/2 2-1/2 3/4-inch 24/7 9/11 2001-09-11 10/12/99 1st "
    "2nd 33rd 4x4 1990s ½ 1½ ¾ 10² 3.14.15 1:2:3 007 1e5 0x1F 100,000-strong #1 #5 ⅓ 555-1234 (415) 1-800-555-1234 "
    "555.123.4567",
    "money": "$5 $1.50 US$5 $US 5$ £5 €5 €3.50 ¥500 50¢ 5% 50%-60% $1.5-million $5-a-day #5 20°C 68°F ₤5",
    "abbreviations": "Mr. Mrs. Dr. Prof. Sgt. Lt. Col. Gen. St. Ave. Blvd. Inc. Co. Ltd. Corp. Jr. Sr. Esq. Ph.D. "
    "M.D. U.S. U.S.A. U.K. a.m. p.m. A.M. e.g. i.e. etc. vs. cf. al. No. no. pp. p. fig. Fig. Jan. Feb. Sept. Mon. "
    "Calif. Mass. Fla. ft. dept. Dept. Univ. a.k.a. Mt. Rev. Hon. Capt. Gov. Sen. Rep. Pres. B. I. X. C.D.s mr. "
    "Mr Dr St Bros. est. tel. ext. lb. oz. in.",
    "addresses": "http://foo.com/a?b=c, https://foo.org/x(1). www.example.com www.example.com/a/b. example.com "
    "foo-bar.net. foo@bar.com foo@bar.com. <foo@bar.com> @user #hashtag @ # file.txt my_file.pdf photo.jpg, index.html "
    "4x4foo.py ftp://a.b/c Yahoo.com's",
    "marks": "... .. .... …. ! !! ? ?! !? ?!?! ; : , . - -- --- ---- – — — ― ‐ · • † ‡ § ¶ © ® ™ ° ′ ″ ‰ ~ ^ | \\ / // "
    "& && * ** _ __ = == + ++ ++. < > << >> <3 -> => ← → ♥ ♪ ★ ☃ ¿ ¡ 。 、 ・ ＆ 😀 👍🏽",
    "brackets": "( ) (a) (a (b) c) [x] [[x]] {x} {{x}} (he [she]) -LRB- -RRB- ) ( ]x[ :) :-) ;) :( :-( :D =) :P (: "
    '^_^ T_T >:( (.) (?) (!) <b>x</b> <br/> </p> <i a="b"> <!-- x -->',
    "joined": "a—b a–b a--b a...b a…b a,b a;b a:b a!b a?b a.b end.Start a/b and/or he/she a/b/c a&b R&D AT&T S&P-500 "
    "S&Ls A+B a+b a=b a*b M*A*S*H f**k a_b a~b a|b a\\b C++ C# c++. F# AT&amp;T &lt;x&gt; &quot;x&quot; &amp; &nbsp; "
    "&mdash; caf&eacute; Cap'n c'est O'Brien d'Artagnan L'Oréal Qu'ran B'Gosh Shi'ite Hallowe'en",
    "unicode": "café Zürich señor's naïve Ångström 日本語 привет Ελληνικά عربي עברית 한국어 हिन्दी soft\u00adhyphen "
    "zero\u200bwidth non\u00a0breaking thin\u2009space wide\u3000space e\u0301clair ﬁne ﬀ ｆｕｌｌ Ｗide x² H₂O m³",
}
FRAMES = (
    "{0}",
    "A man says {0} to her.",
    "{0} walks, then {1} runs.",
    "She reads: {0}; he nods ({1}).",
    "They see {0} {1} {2}!",
    '"{0}," he says, "and {1}."',
    "{0}{1}",
    "The {0}. The {1}. He {2}",
    "{0}... {1} -- {2}?",
    "In {0}, {1} and '{2}' at 5 p.m. {3}",
    "{0}/{1} {2}-{3}.",
)
TOTAL = 1500


def hard_sentences() -> list[str]:
    """Every hard piece alone and in a sentence, then pieces mixed at random (always the same)."""
    pieces = [piece for text in HARD.values() for piece in text.split(" ")]
    sentences = pieces + [FRAMES[1].format(piece) for piece in pieces]
    rng = random.Random(20)
    while len(sentences) < TOTAL:
        sentences.append(rng.choice(FRAMES).format(*rng.choices(pieces, k=4)))
    return list(dict.fromkeys(sentences))


def test_every_hard_sentence_gives_the_tokens_of_the_java_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dfile.encoding=UTF-8")  # else Java reads by the locale
    sentences = hard_sentences()
    assert len(sentences) >= 1000
    # a neutral line after each, because in one file the capital that begins the next line can matter
    captions = {}
    for index, sentence in enumerate(sentences):
        captions[index] = [{"caption": sentence}, {"caption": "x"}]
    expected = PTBTokenizer().tokenize(captions)
    differing = {
        sentence: (" ".join(ptb_tokenize(sentence)), expected[index][0])
        for index, sentence in enumerate(sentences)
        if " ".join(ptb_tokenize(sentence)) != expected[index][0]
    }
    assert differing == {}
