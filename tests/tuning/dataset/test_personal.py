"""Personal data is found by its form and its check digits, and nothing else is taken for it."""

from __future__ import annotations

import pytest

from tuning.dataset.personal import find, masked


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Write to jane.doe+work@corp.example.org today", "Write to [e-mail] today"),
        ("Call +49 (0)30 901820 or 555-123-4567.", "Call [phone] or [phone]."),
        ("Her tel: 030 1234567, room 12", "Her tel: [phone], room 12"),
        ("Reach him at 0171 2345678 or 01632 960 123.", "Reach him at [phone] or [phone]."),
        ("Write to jörg@bücher.example or 用户@例子.公司", "Write to [e-mail] or [e-mail]"),
        ("البطاقة ٤١١١١١١١١١١١١١١١", "البطاقة [payment card]"),
        ("Card 4111 1111 1111 1111 expires", "Card [payment card] expires"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [bank account]."),
        ("SSN 123-45-6789", "SSN [national id]"),
        ("NINO AB 12 34 56 C", "NINO [national id]"),
        ("DNI 12345678Z, NIE X1234567L", "DNI [national id], NIE [national id]"),
        ("PESEL 44051401359", "PESEL [national id]"),
        ("NIR 2 55 08 14 168 025 38", "NIR [national id]"),
    ],
)
def test_it_is_masked_by_its_kind(text: str, hidden: str) -> None:
    assert masked(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "Write to hr@example.org or support@example.org.",
        "Between 2021-2022 and 2023-2024, version 1.2.3.4.",
        "Order 4111 1111 1111 1112 and order 1234567890123456",
        "DE89 3704 0044 0532 0130 01",
        "666-12-3456 and 000-12-3456",
        "12345678A",
        "44051401358",
        "It costs 1,234,567.89 in 365 days, 10.11.2026, 12:30, page 100-200.",
        "Call before 10:30",
        "ISBN 978-3-16-148410-0",
        "رقم الحساب ١٢٣٤٥٦٧٨٩٠١٢٣ للموظفين",
        "From 01/02/2024 or 0 100 200, part 0815 4711-A",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert find(text) == []
