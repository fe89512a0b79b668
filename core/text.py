"""Text to index terms: the same for indexing, searching and comparing, in both databases."""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache

# Lucene's English stop words, and those that make a sentence a question.
STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there "
    "these they this to was will with i me my we our you your he she his her its do does did can could "
    "should would may might must shall have has had am been being what which who whom whose when where "
    "why how than too very so just about from up down out over under again once here all any both each "
    "few more most other some own same s t".split()
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")


def analyze(text: str) -> list[str]:
    """Lower-cased, accent-folded, stemmed words and numbers, without stop words (unless nothing else is left)."""
    words = [
        word.replace("’", "'").removesuffix("'s") if not word.isalnum() else word for word in _WORD.findall(_fold(text))
    ]
    content = [word for word in words if word not in STOP_WORDS] or words
    return [term for word in content for term in _terms(word)]


@lru_cache(maxsize=8192)
def known_terms(text: str) -> tuple[str, ...]:
    """`analyze` for passages and sentences, which are read again with every similar question; about 2 KB for each."""
    return tuple(analyze(text))


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).lower()
    return "".join(character for character in decomposed if not unicodedata.combining(character))


@lru_cache(maxsize=100_000)
def _terms(word: str) -> tuple[str, ...]:
    if _IDEOGRAPHS.fullmatch(word):
        return tuple(word[start : start + 2] for start in range(max(1, len(word) - 1)))
    return (_stemmer().stem(word.replace("'", "")),)


class _Stemmer(threading.local):
    """One for each thread: it keeps the word that it works on in itself."""

    def __init__(self) -> None:
        import snowballstemmer

        self._stemmer = snowballstemmer.stemmer("english")

    def stem(self, word: str) -> str:
        return str(self._stemmer.stemWord(word))


@lru_cache(maxsize=1)
def _stemmer() -> _Stemmer:
    return _Stemmer()
