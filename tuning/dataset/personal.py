"""Personal data in texts: e-mail addresses, phone numbers, payment cards, bank accounts, national ids. Pure.

Numbers count only where their check digits are right, so that an order number is not taken for a card. Names are not
found: that takes a model, which misses some and takes products for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Policy(StrEnum):
    """What becomes of personal data."""

    DROP = "drop"
    """An example with some in its question, history or answer is left out; in passages it is masked."""
    MASK = "mask"
    """It is masked everywhere."""
    KEEP = "keep"
    """It stays."""


@dataclass(frozen=True, slots=True)
class Found:
    """One piece, from `begin` to `end` of its text."""

    kind: str
    begin: int
    end: int


# What stands before the @ where nobody in particular reads it.
ROLES = frozenset(
    "info contact support help helpdesk service sales office hello team admin hr jobs careers recruiting press media "
    "marketing billing accounts accounting finance legal privacy security abuse noreply no-reply postmaster webmaster "
    "it facilities benefits payroll feedback enquiries inquiries customerservice dpo compliance".split()
)
_EMAIL = re.compile(r"[\w.+%-]{1,64}@[^\W_][\w-]*(?:\.[^\W_][\w-]*)*\.[^\W\d_]{2,24}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\d.,-])\d(?:[ -]?\d){12,18}(?![\d-])")
_US_SOCIAL = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_UK_INSURANCE = re.compile(
    r"\b(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"
)
_SPANISH_ID = re.compile(r"\b([XYZ]?)(\d{7,8})-?([A-Z])\b")
_FRENCH_ID = re.compile(r"(?<!\d)([12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3}) ?(\d{2})(?!\d)")
_POLISH_ID = re.compile(r"(?<![\d.,-])\d{11}(?![\d.,-])")
_PHONE = re.compile(
    r"(?<![\w.,/-])(?:\+\d{1,3}[ .-]?(?:\(0\)[ .-]?)?(?:\(?\d{1,5}\)?[ ./-]?){2,6}\d{2,}"
    r"|\(\d{3,5}\)[ .-]?\d{3,4}[ .-]?\d{3,5}|\d{3}[.-]\d{3}[.-]\d{4}|0[1-9]\d{1,3}[ /-]\d{3,4}[ -]?\d{3,4})(?![\w-])"
)
_NAMED_PHONE = re.compile(
    r"\b(?:tel|phone|telephone|call|mobile|cell|fax|telefon|tél|teléfono|móvil|handy)\b[^\w\n+]{0,4}"
    r"((?:\(?\d{2,5}\)?[ ./-]?){2,5}\d{2,})",
    re.IGNORECASE,
)
_SPANISH_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_POLISH_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
FEWEST_PHONE_DIGITS = 7


def find(text: str) -> list[Found]:
    """All pieces, from left to right; of those that overlap, the one that begins first."""
    every = sorted(_every(text), key=lambda each: (each.begin, -each.end))
    kept: list[Found] = []
    for each in every:
        if not kept or each.begin >= kept[-1].end:
            kept.append(each)
    return kept


def masked(text: str) -> str:
    """With the kind of each piece in its place: `[e-mail]`, `[phone]`, …"""
    for each in reversed(find(text)):
        text = f"{text[: each.begin]}[{each.kind}]{text[each.end :]}"
    return text


def as_kept(text: str, policy: Policy) -> str:
    """As it stands in a dataset that is made by this policy."""
    return masked(text) if policy is Policy.MASK else text


def _every(text: str) -> Iterator[Found]:
    yield from _matching(text, "e-mail", _EMAIL, lambda match: match.group().partition("@")[0].lower() not in ROLES)
    yield from _matching(text, "bank account", _IBAN, _is_iban)
    yield from _matching(text, "national id", _US_SOCIAL, lambda match: True)
    yield from _matching(text, "national id", _UK_INSURANCE, lambda match: True)
    yield from _matching(text, "national id", _SPANISH_ID, _is_spanish)
    yield from _matching(text, "national id", _FRENCH_ID, _is_french)
    yield from _matching(text, "national id", _POLISH_ID, _is_polish)
    # After those: one number in ten has a card's check digit by chance.
    yield from _matching(text, "payment card", _CARD, lambda match: _is_card(_digits(match.group())))
    yield from _matching(text, "phone", _PHONE, lambda match: len(_digits(match.group())) >= FEWEST_PHONE_DIGITS)
    for match in _NAMED_PHONE.finditer(text):
        if len(_digits(match.group(1))) >= FEWEST_PHONE_DIGITS:
            yield Found("phone", match.start(1), match.end(1))


def _matching(
    text: str, kind: str, pattern: re.Pattern[str], is_one: Callable[[re.Match[str]], bool]
) -> Iterator[Found]:
    return (Found(kind, match.start(), match.end()) for match in pattern.finditer(text) if is_one(match))


def _digits(text: str) -> str:
    """As ASCII, in whatever script they are written."""
    return "".join(str(int(character)) for character in text if character.isdecimal())


def _is_card(digits: str) -> bool:
    """By Luhn; the first digit is that of a network, and not all are the same."""
    if digits[0] not in "23456" or len(set(digits)) == 1:
        return False
    doubled = (int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0  # noqa: PLR2004 - the sum of its digits


def _is_iban(match: re.Match[str]) -> bool:
    """ISO 13616: letters as numbers, remainder 1 by 97."""
    plain = match.group().replace(" ", "")
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def _is_spanish(match: re.Match[str]) -> bool:
    foreign, number, letter = match.groups()
    if bool(foreign) == (len(number) == 8):  # noqa: PLR2004 - a foreigner's letter stands for the eighth digit
        return False
    whole = int(f"{'XYZ'.index(foreign) if foreign else ''}{number}")
    return _SPANISH_LETTERS[whole % 23] == letter


def _is_french(match: re.Match[str]) -> bool:
    return 97 - int(_digits(match.group(1))) % 97 == int(match.group(2))


def _is_polish(match: re.Match[str]) -> bool:
    digits = [int(digit) for digit in match.group()]
    month, day = digits[2] * 10 + digits[3], digits[4] * 10 + digits[5]
    is_date = 1 <= month % 20 <= 12 and 1 <= day <= 31  # noqa: PLR2004 - the century is added to the month
    return is_date and sum(d * w for d, w in zip(digits, _POLISH_WEIGHTS, strict=True)) % 10 == 0
