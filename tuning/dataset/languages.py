"""In which language a text is written, by rule: its script, or for Latin letters its commonest words. Pure.

No library: all that is decided with it is whether question, answer and passage agree, and which wording a question gets.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_COMMON = {
    "en": "the of and to in is that for it with as was on are be this by from or have not you which how what when where who do does can i my "
    "may will their",
    "de": "der die das und ist nicht ein eine zu den mit von für auf dem des sich im auch werden wird sind oder wie was wer wo wann ich habe kann",
    "fr": "le la les des et est une dans pour que qui du pas sur par au avec sont ce cette ou aux être comment quel quelle nous vous",
    "es": "el los las una que en y es para por con del se no su al como más son este esta o pueden cómo qué quién cuándo dónde hay",
    "it": "il lo gli che di è per una con non del della sono nel alla come più questo si le ed dei",
    "pt": "o os as que de e é para uma com não do da em por dos das no na ao como mais são",
    "nl": "de het een en van is dat niet te op voor met zijn aan door ook bij naar wordt of deze worden",
    "pl": "i w na z do jest się nie że to o jak dla przez od oraz są ale lub tego być po",
    "sv": "och att det som en är av för på med den till inte om har ett kan ska eller från de",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_SCRIPTS = (
    "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "HANGUL", "HIRAGANA", "KATAKANA", "CJK",
)  # fmt: skip
_JAPANESE = frozenset({"HIRAGANA", "KATAKANA"})
_WORD = re.compile(r"[^\W\d_]+")
# Fewer common words say nothing.
FEWEST = 3
# Characters that are looked at.
LONGEST = 4000


def language_of(text: str) -> str:
    """A code such as `en`, or a script's name in lower case; empty when it cannot be told."""
    beginning = text[:LONGEST]
    script = _script(beginning)
    if script:
        return script
    words = Counter(_WORD.findall(beginning.lower()))
    found = {language: sum(words[word] for word in known & words.keys()) for language, known in _WORDS.items()}
    (best, hits), (_, next_hits) = Counter(found).most_common(2)
    return best if hits >= FEWEST and hits > next_hits else ""


def agree(*texts: str) -> bool:
    """Whether all of these, as far as it can be told, are in one language."""
    return len({language for text in texts if (language := language_of(text))}) <= 1


def _script(text: str) -> str:
    letters = [] if text.isascii() else [character for character in text if character.isalpha()]
    if not letters or all(character < "\u0370" for character in letters):
        return ""
    counted = Counter(
        next((script for script in _SCRIPTS if unicodedata.name(letter, "").startswith(script)), "")
        for letter in letters
    )
    best, hits = counted.most_common(1)[0]
    if not best or hits * 2 < len(letters):
        return ""
    return "japanese" if counted.keys() & _JAPANESE else best.lower()
