"""How people ask, thank, greet and send the bot away, as far as words alone tell. Pure.

Only what nobody tagged the bot in depends on these words, and every doubt there means that the bot stays out.
"""

from __future__ import annotations

import re


def is_question(text: str) -> bool:
    """Whether a text asks for something: a sentence with a question mark, or one that opens as questions do."""
    sentences = [each.strip() for each in _SENTENCE.findall(_SHOWN.sub(" ", _plain(text))) if each.strip()]
    if any(_MARK.search(each) and not _RHETORICAL.match(each) for each in sentences):
        return True
    # In between, such openings are more often parts of a story.
    return any(_OPENING.match(each) and not _REMARK.match(each) for each in (*sentences[:1], *sentences[-1:]))


def is_dismissal(text: str) -> bool:
    """The whole text tells somebody to be quiet: "stop", but not "How do I stop the server?"."""
    return bool(_QUIET.match(_plain(text)))


def names_bot(text: str) -> bool:
    return bool(_BOT.search(text))


def is_thanks(text: str) -> bool:
    """The whole text is thanks or praise."""
    return bool(_THANKS.match(_plain(text)))


def is_greeting(text: str) -> bool:
    """The whole text is a greeting, or calls the bot back."""
    return bool(_GREETING.match(_plain(text)))


def is_wordless(text: str) -> bool:
    """Emoji, in Unicode or by name, or nothing at all."""
    return not re.search(r"[\w?？؟]", _EMOJI_NAME.sub("", text))


def _plain(text: str) -> str:
    return text.replace("’", "'").strip()


def _pattern(*parts: str) -> re.Pattern[str]:
    """Of parts in which a space stands for any between words."""
    return re.compile("".join(parts).replace(" ", r"\s+"), re.IGNORECASE)


def _any(*phrases: str) -> str:
    return "(?:" + "|".join(phrases) + ")"


# ── what is said ─────────────────────────────────────────────────────────────────────────────────

# What the author only shows: code, quoted lines, addresses, and questions told in the middle of a sentence.
_SHOWN = re.compile(
    r"```(?s:.*?)(?:```|\Z)|`[^`\n]*`|^[ \t]*(?:>|&gt;).*$|https?://[^\s>]*|[\"“][^\"“”\n]*\?[\"”](?=\s+[a-z])",
    re.MULTILINE,
)
_EMOJI_NAME = re.compile(r":[\w+-]+:")
_BOT = _pattern(r"\b(?:bot|lorekeeper)\b")
# Punctuation and emoji; possessive, because both can begin with a colon.
_END = r"(?::[\w+-]++:|[^\w?？؟])*+$"

_QUIET = _pattern(
    r"(?:(?:ok(?:ay)?|please|hey|bot|lorekeeper|thanks|now|(?:you|could you|can you)(?: can| may)?)[\s,!.]+)*",
    _any(
        r"(?:be |stay |keep )?(?:quiet|silent)",
        r"(?:stay|keep) out",
        r"shut up|shush|hush|silence|mute|go away",
        r"stop(?: it| that)?(?: answering| replying| responding| talking)?",
        r"leave us(?: alone)?",
        r"no more(?: answers)?",
        r"(?:that is |that's )?enough",
        r"sei (?:still|ruhig)|ruhe|tais-toi|silencio",
    ),
    r"(?:[\s,]+(?:please|now|here|of (?:this|it)|in this thread|thanks|thank you|bot|lorekeeper|bitte))*",
    _END,
)

_PRAISE = (
    "great|perfect|cool|awesome|super|nice|wow|interesting|lol|well done|(?:good|great|nice) (?:bot|job|work|answer|to know)|"
    "makes sense|that helps|very helpful|got it|noted|good"
)
_THANKS = _pattern(
    rf"(?:(?:ok(?:ay)?|yes|ah|oh|many|{_PRAISE}|thanks|thank you)[\s,!.]+)*",
    rf"(?:thanks|thank you|thx|ty|cheers|danke|merci|gracias|{_PRAISE})",
    r"(?:[\s,]+(?:a lot|a bunch|so much|very much|you|for (?:that|this|(?:your |the )?(?:help|answer))|schön|beaucoup))*",
    r"(?:[\s,]+(?:bot|lorekeeper|all|again|man|mate|everyone|guys))*",
    _END,
)
_GREETING = _pattern(
    _any(
        r"help(?: me)?|hi|hello|hey|hiya|yo|good (?:morning|afternoon|evening|day)|hallo|moin|salut|bonjour|hola|greetings",
        r"(?:you (?:can|may) |please )?(?:come|welcome) back",
        r"(?:you (?:can|may) |please )(?:talk|answer|speak|reply)(?: again)?",
    ),
    r"(?:[\s,]+(?:there|bot|lorekeeper|all|everyone|again|now|please))*",
    _END,
)

# ── what is asked ────────────────────────────────────────────────────────────────────────────────

_SENTENCE = re.compile(r"(?:[^.!?？؟。\n]|\.(?=\w))+(?:[.!?？؟。]+[\"'”’»)\]*_~]*)?")
# In Chinese and Japanese, a last syllable can be the mark.
_MARK = re.compile(r"[?？؟][.!?？؟]*[\"'”’»)\]*_~]*$|[吗嗎呢か]\W*$")
_RHETORICAL = _pattern(
    r"(?:ok(?:ay)?[\s,]+|oh[\s,]+|so[\s,]+)?",
    _any(
        r"right|ok(?:ay)?|really|seriously|huh|eh|no|yes|yeah|what|see|oder|gell",
        r"(?:isn't|wasn't) it|(?:do you|you) (?:know|see|hear)(?: (?:what i mean|that))?",
        r"who (?:knows|cares)(?: anymore)?|so what|why not|why me|what else is new|are you (?:kidding|serious)(?: me)?",
    ),
    r"\W*$",
)

_LEAD = (
    r"(?:(?:and|or|but|also|so|then|now|ok(?:ay)?|well|please|pls|hey|hi|bot|lorekeeper|thanks|thank you|great|cool|sorry|"
    r"hm+|yes|no|und|et|y|bitte)[\s,:;—-]+)*"
)
_OPENING = _pattern(
    _LEAD,
    _any(
        # English
        r"(?:how|what|what's|which|who|who's|whom|whose|when|where|where's|why)\b",
        r"(?:is|are|am|was|were|does|did|can|could|may|might|must|shall|should|will|would|isn't|aren't|doesn't|didn't) \w",
        r"(?:do|don't|has|have|had|haven't|hasn't) (?:i|you|we|they|he|she|it|there|people|employees|any|anyone|all|the)\b",
        r"(?:tell|show|give|send|remind) (?:me|us)\b",
        r"(?:explain|list|find|compare|summari[sz]e|describe|define|translate|look up|search)\b",
        r"(?:i |we )(?:want|need|would like) to know\b|(?:i'd|we'd) like to know\b|i wonder\b|any idea\b",
        r"(?:more|further) (?:detail|info)",
        # Others
        r"(?:wie|wer|wann|wo|warum|wieso|welche\w*|wieviel\w*|gibt es|kann ich|darf ich|muss ich|zeig\w*)\b",
        r"(?:qué|cómo|quién|cuándo|dónde|cuál\w*|cuánt\w+|comment|combien|quel\w*|quand|où|pourquoi|est-ce)\b",
    ),
    # "And for part-timers"
    r"|(?:and|or|also) (?:for|in|if|on|with|about|at|during|after|before|without)(?: [\w'-]++){1,4}+\W*$",
)
# What opens like a question and is none.
_REMARK = _pattern(
    _LEAD,
    _any(
        r"(?:how|what|which|who|why|where|is|are|was|were) (?:nice|cool|funny|odd|weird|sad|great|good|fine|ok|done|awful|lovely|true)\b",
        r"what (?:a|an)\b|what (?:i|he|she|they|we|you) (?:said|mean|meant|say)\b|how about (?:no|not)\b",
        r"(?:when|where|why) (?:i|we|you|he|she|they|it|the)\b|who (?:knows|cares)\b|why not\W*$",
        r"which (?:is|was) (?:why|what|how|when|where)\b|which means\b|(?:and |but )?that(?:'s| is)\b",
        r"(?:is|are|was|were|does|did) (?:not|just|going|about|what|why|how)\b",
        r"(?:can|could|may|might|must|shall|should|will|would)(?: also| probably| just)? "
        r"(?:be|do|have|not|confirm|check|try|work|ask|see|say|love|like|prefer|look|send|let|get|go|make|add)\b",
        r"(?:do|did|does|don't|didn't) (?:it|that|this|not)\b|do the\b|have (?:a|the)\b",
        r"tell me about it\b|give me a (?:break|sec|second|minute|moment)\b|find (?:attached|enclosed|below)\b|search me\b",
        r"(?:list|search|find) (?:is|was|looks)\b",
    ),
)
