"""Who is answered, as dialogues: what people say in one thread, and what the bot makes of each message."""

from __future__ import annotations

import re

import pytest

from bots.chat.gate import Decision, after, decide
from bots.chat.incoming import Incoming
from bots.chat.phrases import is_question
from core.store.places import ThreadState
from core.types import Message

# `Who: what → decision`. @bot tags the bot, any other @ another person. A Robot is a program, in a direct message
# everything is said to the bot, and a channel is a thread that the bot is not in.
DIALOGUES = {
    "a follow-up needs no tag": """
        Ann: @bot How many days of leave do I have?     → answer
        Ann: And for part-timers?                       → answer
        Ann: and in Germany                             → answer
    """,
    "another person follows up": """
        Ann: @bot How many days of leave do I have?     → answer
        Ben: Does that include public holidays?         → answer
        Ann: What about the 24th of December?           → answer
    """,
    "thanks and praise need no answer, and do not end the conversation": """
        Ann: @bot Where is the travel policy?           → answer
        Ann: Thanks!                                    → ignore
        Ben: great, thank you so much :pray:            → ignore
        Ben: Is there a limit for hotels?               → answer
    """,
    "thanks to the bot are answered": """
        Ann: @bot Where is the travel policy?           → answer
        Ann: @bot thank you very much!                  → thanks
        Ann: @bot great answer 👍                        → thanks
        Ann: And for trains?                            → answer
    """,
    "thanks with a question are a question": """
        Ann: @bot Where is the travel policy?           → answer
        Ann: Thanks! And who approves it?               → answer
        Ann: Thanks, now show me the form               → answer
    """,
    "another person is asked": """
        Ann: @bot How many days of leave do I have?     → answer
        Ann: @Cem is that still right?                  → ignore
        Cem: Yes, since March.                          → ignore
        Ann: Who decided that?                          → ignore
    """,
    "the bot and another person are tagged": """
        Ann: @bot @Cem how many days of leave are there? → answer
    """,
    "told to be quiet, and called back": """
        Ann: @bot How many days of leave do I have?     → answer
        Ben: @bot please be quiet                       → quiet
        Ann: And for part-timers?                       → ignore
        Ben: thanks                                     → ignore
        Ann: @bot And for part-timers?                  → answer
        Ann: And in Berlin?                             → answer
    """,
    "told to be quiet without a tag": """
        Ann: @bot How many days of leave do I have?     → answer
        Ann: stop                                       → quiet
        Ann: How many are left?                         → ignore
    """,
    "called back with a greeting": """
        Ann: @bot Where is the form?                    → answer
        Ann: ok, that's enough                          → quiet
        Ann: Where is the other one?                    → ignore
        Ann: @bot you can talk again                    → greeting
        Ann: Where is the other one?                    → answer
    """,
    "thanked for being quiet, it stays so": """
        Ann: @bot Where is the form?                    → answer
        Ann: @bot shut up                               → quiet
        Ann: @bot thanks                                → thanks
        Ben: Where is it?                               → ignore
    """,
    "quiet twice": """
        Ann: @bot Where is the form?                    → answer
        Ann: quiet please                               → quiet
        Ben: quiet please                               → ignore
        Ben: @bot quiet please                          → quiet
    """,
    "a phrase for quiet inside a real question": """
        Ann: @bot How do I stop the server?             → answer
        Ann: How do I stop it?                          → answer
        Ann: How do I mute the alarm?                   → answer
        Ann: @bot stop the server: how?                 → answer
        Ann: Should we be quiet about this?             → answer
        Ann: @bot What does "leave us alone" mean?      → answer
    """,
    "people talk among themselves and come back with a tag": """
        Ann: @bot How many days of leave do I have?     → answer
        Ben: I think that is outdated.                  → ignore
        Ann: Really? Who changed it?                    → ignore
        Ben: Somebody in HR. Weren't you there?         → ignore
        Ann: @bot Who changed it?                       → answer
        Ben: And when?                                  → answer
    """,
    "the first asker returns after others have talked": """
        Ann: @bot How many days of leave do I have?     → answer
        Ben: We should tell the new ones.               → ignore
        Cem: I can do that on Monday.                   → ignore
        Ann: How do I apply for it?                     → ignore
        Ann: @bot How do I apply for it?                → answer
        Ann: And by when?                               → answer
    """,
    "who thinks aloud is still heard": """
        Ann: @bot How many days of leave do I have?     → answer
        Ann: Hm, I work three days a week.              → ignore
        Ann: How many are that?                         → answer
    """,
    "a stop among people is not for the bot, unless it is named": """
        Ann: @bot Where is the form?                    → answer
        Ben: Ann, you ask that every week.              → ignore
        Ann: stop it                                    → ignore
        Ben: bot, be quiet                              → quiet
    """,
    "statements": """
        Ann: @bot How many days of leave do I have?     → answer
        Ann: That is less than I thought.               → ignore
        Ann: But I work part-time.                      → ignore
        Ann: And you were right.                        → ignore
        Ann: Will do.                                   → ignore
        Ann: Could be worse.                            → ignore
        Ann: What a mess                                → ignore
        Ann: When I started it was 20.                  → ignore
        Ann: Have a nice day                            → ignore
        Ann: Which is why I asked.                      → ignore
    """,
    "rhetorical questions": """
        Ann: @bot How many days of leave do I have?     → answer
        Ann: right?                                     → ignore
        Ann: I told you so. Right?                      → ignore
        Ann: Who knows?                                 → ignore
        Ann: ok?                                        → ignore
        Ann: So it is 20 days for everyone, right?      → answer
    """,
    "other languages": """
        Ann: @bot Wie viele Urlaubstage habe ich?       → answer
        Ann: Und in Teilzeit?                           → answer
        Ann: Wo finde ich das Formular                  → answer
        Ann: ¿Y para los becarios?                      → answer
        Ann: Et pour les stagiaires ?                   → answer
        Ann: 有給休暇は何日ですか？                        → answer
        Ann: パートタイムはどうですか                      → answer
        Ann: 兼职员工呢                                   → answer
        Ann: كم يوم إجازة لدي؟                           → answer
        Ann: Danke schön!                               → ignore
        Ann: Das ist gut.                               → ignore
    """,
    "requests": """
        Ann: @bot How many days of leave do I have?     → answer
        Ann: Show me the table                          → answer
        Ann: Please explain the third row.              → answer
        Ann: ok, compare that to last year              → answer
        Ann: Tell me about it!                          → ignore
        Ann: Give me a second                           → ignore
        Ann: I'd like to know who approves that.        → answer
        Ann: more details please                        → answer
    """,
    "greetings": """
        Ann: @bot Hi there!                             → greeting
        Ann: @bot                                       → greeting
        Ben: hello everyone                             → ignore
        Ann: Hi, how many days of leave do I have?      → answer
    """,
    "emoji only": """
        Ann: @bot Where is the form?                    → answer
        Ben: 🎉🎉                                        → ignore
        Ben: :tada: :thumbsup:                          → ignore
        Ann: And the other one?                         → answer
        Ann: @bot 👋                                     → greeting
        Ann: Which one is newer?🙂                       → answer
    """,
    "other programs": """
        Ann: @bot Where is the form?                    → answer
        Robot: Build 12 failed. Retry?                  → ignore
        Ann: And the other one?                         → answer
        Robot: @bot Where is the form?                  → ignore
    """,
    "direct messages": """
        Ann (direct): How many days of leave do I have? → answer
        Ann (direct): leave part-timers                 → answer
        Ann (direct): stop                              → answer
        Ann (direct): hello                             → greeting
        Ann (direct): merci                             → thanks
        Ann (direct): Ask @Cem about it?                → answer
    """,
    "a channel that nobody tagged it in": """
        Ann (channel): How many days of leave do I have? → ignore
        Ann (channel): stop                             → ignore
        Ann (channel): @bot leave for part-timers       → answer
    """,
    "what is only shown is not asked": """
        Ann: @bot Where is the form?                    → answer
        Ann: I used https://intranet/find?q=form&x=y    → ignore
        Ann: > How do I apply?                          → ignore
        Ann: He asked "why?" and left.                  → ignore
        Ann: `SELECT ?` worked                          → ignore
        Ann: @bot `git push`                            → answer
        Ann: @bot > How do I apply?                     → answer
    """,
    "a question with more around it": """
        Ann: @bot Where is the form?                    → answer
        Ann: I see. What about contractors              → answer
        Ann: (Or is there another one?)                 → answer
        Ann: *How many pages?*                          → answer
        Ann: Is 3.5 days enough? I need to plan.        → answer
        Ann: “Is that all?”                             → answer
    """,
    "remarks that open like follow-ups": """
        Ann: @bot Where is the form?                    → answer
        Ann: And thanks                                 → ignore
        Ann: Or maybe not                               → ignore
        Ann: But wait                                   → ignore
        Ann: And for that I am very grateful to all of you here → ignore
    """,
}
_LINE = re.compile(r"(?P<who>\w+)(?: \((?P<where>\w+)\))?: (?P<text>.*?)\s*→ (?P<decision>\w+)")


@pytest.mark.parametrize("dialogue", DIALOGUES.values(), ids=DIALOGUES)
def test_dialogue(dialogue: str) -> None:
    state: ThreadState | None = None
    expected, decided = [], []
    for line in dialogue.strip().splitlines():
        match = _LINE.fullmatch(line.strip())
        assert match, line
        incoming = _incoming(match)
        at = None if match["where"] == "channel" else state
        decision = decide(incoming, at)
        state = after(incoming, at, decision)
        expected.append((match["text"], match["decision"]))
        decided.append((match["text"], decision.value))
    assert decided == expected


def test_the_dialogues_are_many() -> None:
    assert len(DIALOGUES) >= 25


@pytest.mark.parametrize("decision", list(Decision))
def test_a_thread_is_entered_only_by_taking_part(decision: Decision) -> None:
    incoming = _incoming(_LINE.fullmatch("Ann: Where is it? → ignore"))
    assert (after(incoming, None, decision) is None) is (decision is Decision.IGNORE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n" * 40_000,
        " ," * 40_000 + "x",
        "and for " + "-" * 40_000 + " a b c d e f",
        "thanks " * 20_000 + "x",
        "please " * 20_000 + "x",
        "`" * 40_001,
        ":a" * 40_000,
        "か!" * 40_000 + "x",
        "? " * 40_000,
        "\x00\ud800" * 1_000,
    ],
    ids=lambda text: repr(text[:9]),
)
def test_no_text_is_too_odd(text: str) -> None:
    """Patterns that go back and forth would never end here."""
    for tag in ("@bot", ""):
        incoming = Incoming(Message("1", "chat", "room", "Ann", text, thread="0", addressed=bool(tag)))
        assert decide(incoming, ThreadState()) in Decision
        assert after(incoming, ThreadState(), Decision.IGNORE) is not None


@pytest.mark.parametrize(
    "text",
    ["What's the limit", "is sick leave paid", "can contractors use it", "any idea where it is", "remind me of it"],
)
def test_questions_without_a_mark(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize(
    "text",
    ["is fine by me", "can confirm", "should be ok", "which means no", "how nice", "do it", "why not", "thatʼs all"],
)
def test_remarks_that_sound_like_questions(text: str) -> None:
    assert not is_question(text)


def _incoming(match: re.Match[str] | None) -> Incoming:
    assert match
    is_direct = match["where"] == "direct"
    tags = set(re.findall(r"@(\w+)", match["text"]))
    message = Message(
        id="1",
        channel="chat",
        conversation="room",
        author=match["who"],
        text=match["text"].replace("@bot", "").strip(),
        thread="0",
        addressed=is_direct or "bot" in tags,
        from_bot=match["who"] == "Robot",
    )
    return Incoming(message, tags_others=bool(tags - {"bot"}), is_direct=is_direct)


@pytest.mark.parametrize("text", ["thanks " + ":-" * 60 + "x", "stop " + ":-" * 60 + "x", "hi " + "::a" * 500 + "?x"])
def test_no_message_takes_long_to_decide(text: str) -> None:
    # With patterns that backtrack, it would take days.
    message = Message("1", "chat", "C1", "ann", text, addressed=True)
    assert decide(Incoming(message), None) is Decision.ANSWER
