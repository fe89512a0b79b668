"""A small library, indexed by the real pipeline with the real embedding model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core.build import Application, open_application
from core.settings import Settings
from core.store.documents import DocumentStore
from core.store.engine import open_engine

TOPICS = {
    "Leave": (
        ("Annual leave", "Annual leave accrues at 13 days per year. Annual leave that is not taken expires after two years."),
        ("Sick leave", "Sick leave is paid for up to 30 days per year. A doctor's note is needed from the third day."),
        ("Sabbatical", "A sabbatical is a leave of absence of up to six months. Every sabbatical is approved by the board."),
    ),
    "Travel": (
        ("Booking trips", "Trips are booked through the travel desk at least 14 days ahead. Trips by train are first class."),
        ("Daily allowance", "The daily allowance for trips is 45 euros in Europe. It is 60 euros on other continents."),
        ("Conferences", "Conferences need the approval of a manager. Each employee may attend 2 conferences a year."),
    ),
    "Security": (
        ("Passwords", "Passwords have at least 16 characters and are kept in the vault. Passwords are never sent by mail."),
        ("Lost laptops", "Lost laptops are reported within 4 hours to the security desk. The disk is then erased remotely."),
        ("Visitors", "Visitors wear a yellow badge and are met at the gate. Visitors leave the building before 18:00."),
    ),
    "Kitchen": (
        ("Coffee", "Coffee is free and the machine is cleaned by the team of the week. The beans come from Honduras."),
        ("Fridge", "The fridge is emptied on the last Friday of each month at 15:00. Labelled boxes stay in the fridge."),
        ("Dishwasher", "The dishwasher runs at noon and at 17:00. Knives do not go into the dishwasher of the kitchen."),
    ),
    "Parking": (
        ("Car park", "The car park has 120 places and closes at 21:00. The car park is free for shared cars."),
        ("Bicycles", "Bicycles are parked in the basement, where there are 40 stands. Bicycles are not taken into offices."),
        ("Chargers", "The 8 chargers of the garage are for electric cars. Chargers are free for 3 hours at a time."),
    ),
    "Pensions": (
        ("Contribution", "The pension contribution of the employer is 6% of the salary. It begins after 12 months of work."),
        ("Retirement age", "The retirement age is 67 years in all offices. Retirement at 63 years lowers the pension."),
        ("Survivors", "Survivors receive 60% of the pension for life. Survivors apply within 24 months at the pension desk."),
    ),
}  # fmt: skip
SECRET = "# Salaries\n\n## Board salaries\n\nBoard salaries are 900000 euros per year and are known to nobody else.\n"


def write_documents(folder: Path) -> Path:
    """One Markdown file for each topic, and one that not everybody will be allowed to read."""
    folder.mkdir(parents=True)
    for title, sections in TOPICS.items():
        body = "\n\n".join(f"## {heading}\n\n{text}" for heading, text in sections)
        (folder / f"{title.lower()}.md").write_text(f"# {title}\n\n{body}\n")
    (folder / "salaries.md").write_text(SECRET)
    return folder


@contextmanager
def opened(data: Path, **chosen: object) -> Iterator[Application]:
    """The application on this data folder. `chosen`: sections of the settings."""
    application = open_application(Settings.model_validate({"data_dir": data, **chosen}), "test")
    try:
        yield application
    finally:
        application.close()


def build_library(folder: Path) -> Path:
    """The data folder, with the documents indexed and the salaries for the board only."""
    documents, data = write_documents(folder / "documents"), folder / "data"
    with opened(data) as application:
        asyncio.run(application.documents.add_paths([documents], "default"))
    engine = open_engine("sqlite:///lorekeeper.db", data)
    store = DocumentStore(engine)
    (secret,) = (each for each in store.page("default", 100, 0)[0] if each.title == "Salaries")
    store.put(replace(secret, readers=frozenset({"board"})))
    engine.dispose()
    return data
