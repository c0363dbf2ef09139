"""How models say that they will not or cannot describe: a table of the ways, each tried at the start of an answer.

Audio description is never told by an "I", so whatever an I cannot, will not or does not do is the model's own affair.
Words of a sign or of a person stand in quotation marks and do not begin an answer bare.
"""

from __future__ import annotations

import re

_SEEN = (
    r"(?:(?:visual|visible|usable|clear|attached|actual|valid|audio)\s)?(?:images?|pictures?|photos?|videos?|frames?"
    r"|clips?|footage|stills?|scenes?|visuals?|content|film|media|attachments?|files?|context|description|caption|data)"
)
"""What a model was to look at."""
_GIVEN = (
    r"(?:provided|attached|shared|given|uploaded|included|supplied|available|visible|present|found|received|sent"
    r"|accessible|detected|possible|needed|here\b|in your\b|with your\b|in this (?:conversation|message|chat)|to "
    r"describe"
    r"|to (?:analy[sz]e|work with|look at))"
)
_SORRY = (
    r"(?:(?:oh|oops|hm+|hello|hi|well|thank you|thanks|okay|ok)[,.!]\s{1,2})?"
    r"(?:(?:unfortunately|regrettably|apologies|sorry|(?:my|our|sincere|my sincere) apologies)[,.!:]?(?:\s{0,2}[—–-])?"
    r"(?:\s{1,2}but)?(?:,)?\s{1,2})?"
)
_NOT = (
    r"(?:can(?:no|['’])t|can not|cannot|could(?: not|n['’]t)|will not|won['’]t|would(?: not|n['’]t)|do(?: not|n['’]t)"
    r"|did(?: not|n['’]t)|am (?:not|unable)|['’]m (?:not|unable|sorry|afraid)|am (?:sorry|afraid)|have no\b"
    r"|have(?: not|n['’]t)|must (?:decline|refuse)|(?:have to|need to|will have to) (?:decline|refuse)|decline|refuse"
    r"|apologi[sz]e|regret|(?:only )?(?:see|notice) (?:that )?(?:no|you(?:['’]ve| have| did))|would need|['’]d need"
    r"|need "
    r"(?:more|the|to see"
    r"|additional|access|an? (?:image|video|clearer))|(?:would|['’]d) (?:be|love|like|prefer)|appreciate|(?:only "
    r")?see (?:only )?"
    r"(?:a )?(?:blank|black|empty)|require|lack|understand (?:that )?you|was(?: not|n['’]t) able|am only able|am "
    r"just an?|am an? (?:ai|large|text))"
)
_WAYS: tuple[str, ...] = (
    # somebody who will not, cannot or does not; an I that is or has anything to say of itself
    r"i(?:['’](?:m|ve|ll|d)|\s(?:am|have|will|would|believe|think|was|need|only|must|shall|may|might|can only))\b",
    r"we(?:\sare|['’]re) (?:not able|unable|sorry|afraid)",
    rf"{_SORRY}(?:but\s)?(?:i|we)\s?{_NOT}",
    r"(?:sorry|apologies|my apologies|i apologi[sz]e)(?:[,.!:;—–]|\s[—–-]|$|\s(?:but|for (?:the|any) (?:\w+ "
    r")?(?:confusion|inconvenience|trouble|delay|misunderstanding)|i|about))",
    r"as an? (?:\w+ ){0,3}(?:ai|language model|assistant|llm|text-based model)\b",
    r"(?:hello|hi)(?: there)?[!,.]\s{1,2}(?:how|what|i\b)",
    r"(?:how|what) (?:can|may|would you like) (?:i|me)\b",
    # what is not there or not to be seen
    r"nothing (?:(?:new|else|more|further|visual|notable) ){0,2}to (?:describe|report|add|note)\b",
    r"(?:this|the) (?:part|gap|moment|scene|pause) (?:needs|requires) no\b[^.!?\n]{0,30}\b(?:description|narration)",
    r"not (?:applicable|needed|necessary)\s?[—–:,-]",
    r"no (?:\w+ )?(?:description|narration) (?:is )?(?:needed|required|necessary)\b",
    r"no (?:people|persons?|faces?|one|characters?) (?:is|are) (?:recogni[sz]able|identifiable)\b",
    r"(?:the|these|all|both)(?: \w+)? (?:frames|images|stills|pictures) (?:are|look|seem|remain) "
    r"(?:all |nearly |almost )?(?:identical|the same|unchanged)\b",
    r"there(?:['’]s| is) nothing (?:to describe|visible|to see here|of note)",
    rf"{_SEEN}s? (?:(?:is|are|was|were) )?not (?:available|provided|found|visible|supplied|attached|accessible|loaded)",
    r"there (?:is|are) not enough (?:\w+ )?(?:information|detail|context)",
    r"there(?:['’]s| is| are) no\b[^.!?\n]{0,60}\bin (?:the|these|this|your) (?:provided|given|attached|shared)\b",
    rf"{_SORRY}there(?:['’]s)?(?: (?:is|are|was|were|seems? to be|appears? to be))? (?:no|not (?:enough|any)"
    rf"|insufficient) {_SEEN}"
    rf"(?:\W*$|[.;,!]|\s(?:or \w+ )?(?:(?:that )?(?:was|were|is|are|has been|have been)\s)?{_GIVEN})",
    rf"{_SORRY}no {_SEEN}\s?(?:(?:was|were|is|are|has been|have been|could be|can be)\s)?{_GIVEN}",
    rf"{_SORRY}(?:the|this|these|your|that)\s(?:(?:provided|given|attached|shared)\s)?{_SEEN}\s(?:you (?:shared|sent"
    rf"|provided|uploaded)\s|(?:provided|given|attached|shared|above)\s)?"
    r"(?:(?:is|are|was|were)\s?(?:not|n['’]t|unavailable|inaccessible|missing(?! from)|blank|corrupt|(?:too|so) (?:dark"
    r"|blurry|blurred|small"
    r"|unclear|low|grainy)|(?:completely |entirely |all )?(?:black|blank|empty|unclear|unreadable))"
    r"|(?:do|does|did|could|can|has|have)\s?(?:not|n['’]t)\s(?:\w+\s)?(?:show|contain|provide|include|depict|appear"
    r"|load|seem|give|display|allow|have|work|open|be|come)\b|cannot\sbe\b|fail(?:s|ed)?\s"
    r"|(?:appears?|seems?)(?: to be)? (?:(?:completely |entirely |all )?(?:blank|black|empty|missing|corrupt"
    r"|unavailable)|too)"
    r"|lacks?|provide no|contain no|contains no)",
    rf"(?:it (?:looks|seems)(?: like| as if| that)?|it appears(?: that)?)\s(?:(?:there|that)\s)?(?:(?:is|are|was"
    rf"|were)\s)?"
    rf"(?:(?:no|the|your|an?|you)\b[^.!?\n]{{0,60}}\b)?(?:no {_SEEN}|(?:not|n['’]t|forgot|missing|fail(?:ed)?|blank"
    rf"|black|empty|corrupt"
    r"|unable|included with|didn['’]t|haven['’]t)\b)",
    r"it(?:['’]s| is) (?:not possible|impossible|not clear|unclear|hard|difficult|too (?:dark|blurry)) (?:to (?:tell"
    r"|say|determine"
    r"|identify|see what|describe|make out|know)|for me|from (?:the|these|this)|what|who|whether)",
    rf"(?:not enough|insufficient|too little) (?:\w+ )?(?:information|context|detail|data|visual|{_SEEN})",
    r"(?:unable|cannot|can['’]t|could not|failed) (?:to )?(?:determine|identify|see (?:the|any)|view|access|process"
    r"|describe|provide"
    r"|generate|recogni[sz]e|comply|assist|help|fulfil?l|analy[sz]e|load|read the (?:image|frame))",
    rf"(?:without|in the absence of) (?:\w+ )?(?:(?:seeing|viewing) (?:\w+ ){{0,3}}?(?:{_SEEN}|it|them)\b|access"
    rf"|(?:more|any|the|additional|further) (?:\w+ "
    rf")?(?:{_SEEN}|information"
    r"|details?)|being able)\b",
    rf"since (?:there (?:is|are)|you|no|i)\b[^.!?\n]{{0,60}}(?:no |not|n['’]t|{_GIVEN})",
    # what is asked of the reader
    r"(?:to|in order to) (?:give|provide|write|describe|create|make)\b[^.!?\n]{0,80}\bi(?:['’]d| would|['’]ll| will)? "
    r"(?:need|require|have to)\b",
    r"(?:feel free to\s|if you (?:can |could |would )?(?:like me|want me|wish|please)?\s?)(?:provide|share|upload"
    r"|attach|send"
    r"|describe|tell)\b",
    rf"nothing (?:\w+ )?(?:happens|is (?:visible|shown|happening|seen))\b[^.!?\n]{{0,30}}\bin (?:this|the"
    rf"|these) {_SEEN}",
    r"(?:content |trigger )?warning:\s(?:i|we)\b",
    r"(?:could|can|would) you (?:please |kindly )?(?:provide|share|upload|attach|send|give|tell|clarify|describe"
    r"|re-?upload|try|let me)",
    r"(?:please|kindly) (?:provide|share|upload|attach|send|give me|clarify|describe|re-?upload|try|let me|note that "
    r"i|ensure|make sure)",
    r"you(?: have not|['’]ve not| haven['’]t| did not| didn['’]t) (?:\w+ )?(?:provide|attach|upload|share|include"
    r"|sen[dt])",
    r"the user (?:has not|hasn['’]t|did not|didn['’]t|provided no)",
    r"(?:i['’]d|i would|happy|glad|i am|i['’]m)\s(?:be )?(?:happy|glad|to help|here to help|ready)\b",
    # rules
    r"(?:this|that|the|your) (?:content|request|image|video|material|prompt|scene|question)s? (?:\w+ )?(?:violates?"
    r"|may violate|goes against"
    r"|is against|was (?:blocked|filtered|flagged|rejected)|has been (?:blocked|filtered|flagged|removed)|involves? "
    r"(?:explicit|sensitive))",
    r"(?:content|request|response|output|prompt) (?:was |has been )?(?:filtered|blocked|policy|removed|declined"
    r"|refused|rejected|withheld)",
    r"(?:due to|for|because of|out of|in line with|per|under) (?:\w+ ){0,3}(?:reasons|concerns|guidelines|policy"
    r"|policies|restrictions|rules"
    r"|considerations|respect for)\b",
    r"to (?:protect|respect) (?:\w+ ){0,3}privacy",
    r"identifying (?:\w+ )?(?:people|individuals|persons|someone)",
    r"my (?:guidelines|policy|policies|programming|training|instructions)\b",
    # nothing at all
    r"(?:\W{0,3}(?:n/?a|none|null|nil|undefined|unknown|no (?:audio )?(?:description|caption|answer|response|output)"
    r"(?: (?:is |was )?(?:available|provided|needed|required|necessary|possible))?|not (?:available|applicable)"
    r"|empty|blank|silence|no (?:(?:visual|visible|new|significant|notable) ){0,2}(?:action|activity|change"
    r"|movement|detail|element)s?(?: (?:here|to (?:add|describe|report)))?|skip|pass|no (?:(?:visual|visible|new"
    r"|significant|notable|further|additional) ){1,2}(?:information|content|event)s?"
    r"(?: (?:here|to (?:add|describe|report)))?"
    r"|description unavailable|error:.{0,200}|no\.|i don['’]t know|no comment)\W{0,3})$",
    # other languages
    r"(?:es tut mir leid|entschuldigung|leider (?:kann|ist|habe)|ich (?:kann|sehe|habe|bin)\b|als (?:ki"
    r"|sprachmodell)\b)",
    r"(?:(?:je suis )?d[ée]sol[ée]e?\b|je (?:ne|n['’])|malheureusement, je|en tant qu['’](?:ia|assistant))",
    r"(?:lo siento|lo lamento|disculp[ae]|no puedo\b|no me es posible|no se (?:proporcion|ve ninguna)|como (?:ia"
    r"|modelo de lenguaje)\b)",
    r"(?:mi dispiace|mi spiace|spiacente|non (?:posso|sono in grado|riesco)\b|purtroppo non)",
    r"(?:desculp[ea]|sinto muito|lamento, |n[ãa]o (?:posso|consigo)\b|infelizmente, (?:n[ãa]o|eu))",
    r"(?:het spijt me|helaas kan|ik kan\b|ik zie geen|tyv[äæ]rr kan|jag kan (?:inte|tyv)|beklager|jeg kan (?:ikke"
    r"|desv)|undskyld"
    r"|przepraszam|niestety,? nie|nie mog[ęe]\b|valitettavasti|omlouv[áa]m|bohu[žz]el)",
    r"(?:很?抱歉|对不起|對不起|不好意思|我(?:无法|無法|不能|看不到|没有|沒有)|(?:无法|無法)|作为(?:一个|一個)?(?:ai|人工)"
    r"|申し訳|すみません|画像が|죄송|이미지를 |извините"
    r"|к сожалению|простите|я не могу|не могу\b|на жаль|вибачте|съжалявам|за съжаление)",
    r"(?:[îi]mi pare r[ăa]u|scuze\b|nu pot\b|maaf[,.]|przykro mi|nie (?:widzę|jestem w stanie)|sajn[áa]l(?:om|juk"
    r"|atos)|elnézést|üzgünüm|özür dilerim|maalesef\b"
    r"|xin lỗi|rất tiếc|ขออภัย|ขอโทษ|λυπάμαι|συγγνώμη|δυστυχώς|žao mi je|nažalost|ho sento|em sap greu|vabandust"
    r"|kahjuks|atsipraš|diemžēl|atvainoj|ospravedl|pasensya|paumanhin)",
    r"(?:عذر|أعتذر|آسف|للأسف|لا (?:أستطيع|يمكنني)|متأسف|متاسف|ببخشید|סליחה|מצטער|לצערי|איני יכול|क्षमा|माफ़?"
    r"|मुझे (?:खेद|अफ़सोस))",
)
_REFUSAL = re.compile("|".join(f"(?:{way})" for way in _WAYS), re.IGNORECASE)
_START = re.compile(r"[\s*_\[(>#-]{0,8}")


_INSCRIPTION = re.compile(
    r"[^.]{0,80}(?:,\s(?:reads?|says?|warns?|blinks?|spells?)\s(?:his|her|their|its)\b|\b(?:reads?|says?|asks?"
    r"|blinks?|flash(?:es)?|(?:is|are) (?:carved|written|scrawled|painted|spelled))\s"
    r"(?:an?|the|on|in|across|over|out)\b)",
    re.IGNORECASE,
)
"""The words of a sign and then the sign, as in: Sorry, we're closed, reads a sign."""


_SPOKEN = re.compile(
    r"[^.\n]{0,80},\s(?:(?:he|she|they)|(?-i:[A-Z])[\w'’-]{0,20}|(?:the|a|an|his|her)\s[\w'’-]{1,20})\s"
    r"(?:mouths?|says?|signs?|whispers?|writes?|shouts?|types?|gestures?|sings?|reads?)\b",
    re.IGNORECASE,
)
"""The words of a person and then the person, as in: I can't swim, he mouths."""
_LEADS = re.compile(
    r"i(?:['’]d|['’]ll| would| will| can|['’]ve)? (?:describ|caption|writ|say|summari[sz]|narrat"
    r"|go with)\w*\b[^.!?\n]{0,40}"
    r":\s{1,3}(?=\S)",
    re.IGNORECASE,
)
"""What leads to a description, though it says I."""


def is_inscription(text: str) -> bool:
    return bool(_INSCRIPTION.match(text) or _SPOKEN.match(text))


def is_refusal(text: str) -> bool:
    """Whether a model says that it will not or cannot describe, asks for more, or says that there is nothing."""
    start = _START.match(text)
    head = text[start.end() if start else 0 :][:400]
    return bool(_REFUSAL.match(head)) and not (is_inscription(head) or _LEADS.match(head))


def leads_in(text: str) -> int:
    """Where what the model says of itself ends and the description begins; 0 where it says nothing of the kind."""
    found = _LEADS.match(text)
    return found.end() if found else 0
