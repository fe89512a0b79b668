"""E-mail: what a person sees of a message, however broken it is, and the files that came with it."""

from __future__ import annotations

from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from core.errors import TooLarge, UnreadableDocument
from core.types import BlockKind, ParsedDocument
from ingest.parse import parse
from ingest.parse.errors import Protected

HEAD = b"MIME-Version: 1.0\nFrom: Ann <ann@example.org>\nTo: Bob <bob@example.org>\nSubject: Leave\n"


def message(subject: str = "Leave") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ann <ann@example.org>", "Bob <bob@example.org>", subject
    mail["Date"] = "Mon, 02 Nov 2026 09:00:00 +0100"
    return mail


def read(data: bytes | EmailMessage | MIMEMultipart) -> ParsedDocument:
    return parse(data if isinstance(data, bytes) else data.as_bytes(), "mail/leave.eml")


def texts(document: ParsedDocument, kind: BlockKind = BlockKind.TEXT) -> list[str]:
    return [block.text for block in document.blocks if block.kind is kind]


class TestText:
    def test_headers_come_first_and_the_subject_is_the_title(self) -> None:
        mail = message("Úrlaub – plan")
        mail["Cc"] = "Zoë <zoe@example.org>"
        mail.set_content("Thirty days.\n\n> How many?\n")
        document = read(mail)
        assert document.title == "Úrlaub – plan"
        assert document.media_type == "message/rfc822"
        assert texts(document) == [
            (
                "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\nCc: Zoë <zoe@example.org>\n"
                "Date: Mon, 02 Nov 2026 09:00:00 +0100\nSubject: Úrlaub – plan"
            ),
            "Thirty days.",
            "> How many?",
        ]

    def test_plain_text_is_preferred_to_html_that_says_the_same(self) -> None:
        mail = message()
        mail.set_content("Thirty days of leave.\n")
        mail.add_alternative("<p>Thirty <b>days</b> of leave.</p>", subtype="html")
        assert texts(read(mail))[1:] == ["Thirty days of leave."]

    def test_html_is_taken_where_the_text_only_points_to_it(self) -> None:
        mail = message()
        mail.set_content("Your program cannot show this message.\n")
        rows = "".join(f"<tr><td>Grade {i}</td><td>{i + 20} days</td></tr>" for i in range(20))
        mail.add_alternative(f"<h2>Leave</h2><table><tr><th>Grade</th><th>Days</th></tr>{rows}</table>", subtype="html")
        document = read(mail)
        assert texts(document, BlockKind.HEADING) == ["Leave"]
        assert texts(document, BlockKind.TABLE)[0].startswith("| Grade | Days |")

    def test_flowed_lines_are_joined(self) -> None:
        body = b"Content-Type: text/plain; format=flowed\n\nOne sentence that \nis broken.\n> quoted text \n> goes on\n-- \nAnn\n"
        assert texts(read(HEAD + body))[1] == "One sentence that is broken.\n> quoted text goes on\n--\nAnn"

    def test_several_texts_stand_in_order(self) -> None:
        mail = MIMEMultipart()
        mail["Subject"], mail["MIME-Version"] = "Two", "1.0"
        mail.attach(MIMEText("First.", "plain"))
        mail.attach(MIMEText("<p>Second.</p>", "html"))
        mail.attach(MIMEText("Third.", "plain"))
        assert texts(read(mail))[1:] == ["First.", "Second.", "Third."]

    def test_many_recipients_are_counted(self) -> None:
        listed = ", ".join(f'"Doe, No {i}" <n{i}@example.org>' for i in range(50))
        first = texts(read(b"Message-ID: <1@x>\nTo: " + listed.encode() + b"\n\nHello"))[0]
        assert first.count("@example.org") == 20
        assert first.endswith("and 30 more")


class TestEncodings:
    @pytest.mark.parametrize(
        ("header", "shown"),
        [
            (b"=?utf-8?B?44G+44G/?= =?utf-8?B?44KA?=", "まみむ"),
            (b"=?UTF-8?Q?caf=C3?= =?UTF-8?Q?=A9?=", "café"),  # cut between the bytes of a character
            (b"=?iso-8859-1*de?q?J=F8rn_S?= x", "Jørn S x"),
            ("Jörn".encode(), "Jörn"),
            ("Jörn".encode("cp1252"), "Jörn"),
            (b"=?nonsense?Q?abc?=", "abc"),
            (b"=?utf-8?B?broken*base64?= end", "end"),
            (b"a\n folded line", "a folded line"),
        ],
    )
    def test_subjects(self, header: bytes, shown: str) -> None:
        title = read(b"Message-ID: <1@x>\nSubject: " + header + b"\n\nHello").title
        assert title.endswith(shown) if shown == "end" else title == shown

    @pytest.mark.parametrize(
        ("charset", "body"),
        [
            ("iso-8859-1", "café – no".encode("cp1252")),
            ("us-ascii", "café – no".encode()),
            ("no-such-charset", "café – no".encode()),
            ("utf-8", "café – no".encode("cp1252")),
            ("rot13", "café – no".encode()),
        ],
    )
    def test_a_charset_that_is_wrong_or_unknown(self, charset: str, body: bytes) -> None:
        assert (
            texts(read(HEAD + f'Content-Type: text/plain; charset="{charset}"\n\n'.encode() + body))[1] == "café – no"
        )

    def test_the_charset_that_html_states_itself(self) -> None:
        body = '<meta charset="windows-1251"><p>Привет</p>'.encode("cp1251")
        assert texts(read(HEAD + b"Content-Type: text/html\n\n" + body))[1] == "Привет"

    def test_a_whole_message_in_utf_16(self) -> None:
        assert read((HEAD.decode() + "\nThirty days").encode("utf-16")).title == "Leave"


class TestFiles:
    def test_files_become_attachments_with_safe_and_distinct_names(self) -> None:
        mail = message()
        mail.set_content("See the files.")
        for name in ("../../etc/plan.pdf", "plan.pdf", "C:\\x\\Grüße\u202e.txt", ""):
            mail.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename=name or None)
        document = read(mail)
        names = [each.name for each in document.attachments]
        assert names == ["plan.pdf", "plan (2).pdf", "Grüße.txt", "attachment-4.pdf"]
        assert document.attachments[0].data == b"%PDF-1.4"
        assert texts(document)[0].endswith(f"Attachments: {', '.join(names)}")

    def test_text_files_are_attachments_too(self) -> None:
        mail = message()
        mail.set_content("See the file.")
        mail.add_attachment("Thirty days.", filename="leave.txt")
        assert [each.name for each in read(mail).attachments] == ["leave.txt"]

    def test_messages_inside_are_files_that_can_be_read(self) -> None:
        inner = message("Re: sick/leave")
        inner.set_content("Call in.")
        mail = message()
        mail.set_content("Forwarded.")
        mail.add_attachment(inner)
        [attachment] = read(mail).attachments
        assert attachment.name == "Re_ sick-leave.eml"
        assert texts(parse(attachment.data, attachment.name))[1] == "Call in."
        assert "Call in" not in " ".join(texts(read(mail)))

    def test_pictures_invitations_and_signatures(self) -> None:
        mail = MIMEMultipart("mixed")
        mail["Subject"], mail["MIME-Version"] = "Party", "1.0"
        mail.attach(MIMEText("Come.", "plain"))
        mail.attach(MIMEImage(b"\x89PNG", "png"))
        mail.attach(MIMEText("BEGIN:VCALENDAR", "calendar"))
        mail.attach(MIMEApplication(b"x", "pgp-signature"))
        mail.attach(MIMEApplication(b"x", "ms-tnef", name="winmail.dat"))
        document = read(mail)
        assert document.attachments == ()
        assert document.losses == (
            "One invitation to the calendar was left out.",
            "One part in Outlook's own format (winmail.dat) was left out.",
            "One picture has no text that could be read.",
        )

    def test_number_and_size_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ingest.parse.attached.Attached.__init__.__kwdefaults__", {"max_files": 2, "max_bytes": 10})
        mail = message()
        mail.set_content("See.")
        for size in (5, 50, 5, 1):
            mail.add_attachment(b"x" * size, maintype="application", subtype="octet-stream", filename="a.bin")
        document = read(mail)
        assert [len(each.data) for each in document.attachments] == [5, 5]
        assert document.losses == (
            "Only the first 2 files inside were taken; 1 were left out.",
            "One file inside is too large and was left out.",
        )


class TestSealed:
    @pytest.mark.parametrize(
        "body",
        [
            b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n\nMIAG",
            b'Content-Type: multipart/encrypted; boundary=x; protocol="application/pgp-encrypted"\n\n--x\n\nVersion: 1\n--x--',
            b"\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n",
        ],
    )
    def test_encrypted_messages_are_said_to_be(self, body: bytes) -> None:
        with pytest.raises(Protected, match="encrypted"):
            read(HEAD + body)

    def test_a_text_that_quotes_pgp_is_none(self) -> None:
        body = b"\nSee:\n-----BEGIN PGP MESSAGE-----\nx\n-----END PGP MESSAGE-----\n"
        assert len(read(HEAD + body).blocks) == 2


class TestBroken:
    @pytest.mark.parametrize(
        "body",
        [
            b"Content-Type: multipart/mixed\n\nThirty days",
            b"Content-Type: multipart/mixed; boundary=x\n\nThirty days",
            b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nThirty days",
            b"Content-Type: text/plain\nContent-Transfer-Encoding: \n\nThirty days",
            b"Content-Type: ; ;;=\nContent-Disposition: ====\n\nThirty days",
            b"Content-Type: text/plain; name*0*=x'%ZZ; name*=;\n\nThirty days",
            b"Content-Transfer-Encoding: nonsense\n\nThirty days",
            b"no colon here\n\nThirty days",
        ],
    )
    def test_the_text_comes_out(self, body: bytes) -> None:
        assert "Thirty days" in read(HEAD + body).blocks[-1].text

    def test_a_message_with_a_subject_only(self) -> None:
        assert texts(read(b"Message-ID: <1@x>\nSubject: See you\n\n")) == ["Subject: See you"]

    def test_parts_without_end_and_without_measure(self) -> None:
        nested = b"".join(b"Content-Type: multipart/mixed; boundary=x%d\n\n--x%d\n" % (i, i) for i in range(200))
        with pytest.raises(UnreadableDocument, match="nested too deeply"):
            read(b"MIME-Version: 1.0\n" + nested)
        with pytest.raises(TooLarge, match="too many parts"):
            read(HEAD + b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\na\n" * 30_000)

    def test_headers_without_measure_take_no_time(self) -> None:
        head = b"To: " + b'"a\\' * 200_000 + b"\nContent-Type: text/plain; " + b"a=b; " * 200_000 + b"\n"
        assert read(b"Message-ID: <1@x>\n" + head + b"\nThirty days").blocks[-1].text == "Thirty days"

    def test_html_that_is_nested_too_deeply_is_said(self) -> None:
        mail = HEAD + b"Content-Type: text/html\n\n" + b"<div>" * 20_000 + b"Thirty days"
        assert read(mail).losses == ("The HTML of the message is nested too deeply to be read.",)
