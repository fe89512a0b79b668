"""Source code: a block for each definition under its first line, and what the file says about itself first."""

from __future__ import annotations

from textwrap import dedent

import pytest

from core.errors import UnsupportedFormat
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import detect, parse, readable_extensions


def read(name: str, text: str) -> ParsedDocument:
    return parse(dedent(text).lstrip("\n").encode(), name)


def outline(document: ParsedDocument) -> list[tuple[str, str]]:
    """Each piece of code by its first line, with the heading it stands under."""
    found, heading = [], ""
    for block in document.blocks:
        if block.kind is BlockKind.HEADING:
            heading = block.text
        elif block.kind is BlockKind.CODE:
            found.append((heading, block.text.split("\n")[0].strip()))
    return found


def test_it_is_known_by_its_name_if_it_is_text() -> None:
    assert detect(b"print(1)\n", "tools/run.py") == "text/x-source"
    assert detect(b"FROM debian\n", "deploy/Dockerfile") == "text/x-source"
    assert detect(b"\x89PNG\r\n\x1a\n\0\0", "run.py") == "image/png"
    with pytest.raises(UnsupportedFormat):
        detect(bytes(range(256)) * 10, "run.py")
    assert {".py", ".sql", ".yaml"} <= readable_extensions()
    assert ".env" not in readable_extensions()


PYTHON = '''
    #!/usr/bin/env python3
    """Sends letters.

    By post only.
    """

    import os

    LIMIT = 3

    @cached
    def send(letter: Letter, to: str) -> None:
        """Send it."""

        os.post(letter)

    class Letter:
        text: str

    if __name__ == "__main__":
        send(Letter(), "Ann")
    '''


def test_python() -> None:
    document = read("post/letters.py", PYTHON)
    assert document.title == "letters.py"
    assert document.blocks[0] == Block("Sends letters.\n\nBy post only.")
    assert outline(document) == [
        ("", "import os"),
        ("def send(letter: Letter, to: str) -> None", "@cached"),
        ("class Letter", "class Letter:"),
        ('if __name__ == "__main__":', 'if __name__ == "__main__":'),
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "a.c",
            "/* Adds. */\n#include <stdio.h>\n\n// two\nstatic int add(int a, int b) {\n\n    return a + b;\n}\n\nint main(void)\n{\n    return 0;\n}\n",
            [
                ("", "#include <stdio.h>"),
                ("static int add(int a, int b)", "// two"),
                ("int main(void)", "int main(void)"),
            ],
        ),
        (
            "a.ts",
            "// Adds.\nimport x from 'y';\n\nexport const add = (a: number) => {\n  return a;\n};\n\nexport class Sum {\n}\n",
            [
                ("", "import x from 'y';"),
                ("export const add = (a: number) =>", "export const add = (a: number) => {"),
                ("export class Sum", "export class Sum {"),
            ],
        ),
        (
            "a.go",
            "// Adds.\npackage a\n\nfunc Add(a int) int {\n\treturn a\n}\n",
            [("", "package a"), ("func Add(a int) int", "func Add(a int) int {")],
        ),
        (
            "a.sql",
            "-- Adds.\n\nCREATE TABLE plans (\n  id int\n);\n\nSELECT * FROM plans;\n",
            [("CREATE TABLE plans", "CREATE TABLE plans ("), ("SELECT * FROM plans;", "SELECT * FROM plans;")],
        ),
        (
            "a.toml",
            "# Adds.\n[project]\nname = 1\n[tool.x]\nb = 2\n",
            [("[project]", "[project]"), ("[tool.x]", "[tool.x]")],
        ),
        (
            "a.yaml",
            "# Adds.\nservices:\n  a: 1\n  b: 2\n# kept\nvolumes:\n  x: 1\n",
            [("services", "services:"), ("volumes", "# kept")],
        ),
    ],
)
def test_other_languages(name: str, text: str, expected: list[tuple[str, str]]) -> None:
    document = read(name, text)
    assert document.blocks[0] == Block("Adds.")
    assert outline(document) == expected


def test_a_long_class_is_cut_at_its_methods() -> None:
    methods = "".join(f"    int m{n}(int a) {{\n\n        return a;\n    }}\n\n" for n in range(20))
    document = read("A.java", f"public class A {{\n    int x;\n\n{methods}}}\n")
    headings = [(block.text, block.level) for block in document.blocks if block.kind is BlockKind.HEADING]
    assert headings[:3] == [("public class A", 2), ("int m0(int a)", 3), ("int m1(int a)", 3)]
    assert len(headings) == 21


def test_no_line_is_lost() -> None:
    code = read("letters.py", PYTHON)
    text = "\n".join(block.text for block in code.blocks)
    for line in dedent(PYTHON).split("\n"):
        assert line.strip('"').strip() in text or line.startswith("#!")


@pytest.mark.parametrize(
    "text", ["(" * 100_000, ")" * 100_000 + "x", " " * 100_000 + "x", "a:" * 50_000, "# x\n" * 50_000]
)
def test_strange_files_are_read(text: str) -> None:
    assert read("a.js", f"x = 1\n\n{text}\n").blocks
