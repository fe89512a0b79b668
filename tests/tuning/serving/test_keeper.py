"""Promotions reach the model's servers, whatever state these are in, and questions go where the adapters are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from structlog.testing import capture_logs

from core.errors import StorageFailed
from core.health import State
from core.settings import Adapters, Generation, Namespace, Settings
from core.store.adapters import AdapterStore
from core.store.engine import open_engine, upgrade
from core.types.adapters import EVERYWHERE, BaseModel, Form
from tests.fakes.openai_server import MODEL, FakeOpenAI, fake_openai
from tests.tuning.serving.registered import registered
from tuning.serving.attempts import FIRST_PAUSE
from tuning.serving.keeper import GRACE_SECONDS, ModelKeeper

KEY = "sesame"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with fake_openai(key=KEY) as state:
        yield state


@pytest.fixture
def other() -> Iterator[FakeOpenAI]:
    with fake_openai(key=KEY) as state:
        yield state


class World:
    """One process with its record, in front of some servers."""

    def __init__(self, engine: Engine, folder: Path, *servers: FakeOpenAI, **changes: Any) -> None:
        self.store = AdapterStore(engine)
        self.now = 0.0
        urls = [server.url for server in servers]
        values: dict[str, Any] = {
            "data_dir": folder / "data",
            "generation": Generation(base_url=urls[0], api_key=KEY, total_seconds=30),
            "adapters": Adapters(servers=urls, poll_seconds=0.5),
        }
        self.settings = Settings(**(values | changes))
        self.keeper = ModelKeeper(self.store, self.settings, clock=lambda: self.now)

    def promote(self, content: str, namespace: str = "hr", **changes: Any) -> str:
        """What servers call it."""
        adapter = registered(self.store, self.settings, content, **changes)
        self.store.promote(namespace, adapter.id, "ann")
        return adapter.served_as

    async def answers(self, *namespaces: str) -> list[str]:
        await self.keeper.look()
        return [await self.keeper.model_for(namespace) for namespace in namespaces]

    async def detail(self) -> str:
        check = await self.keeper.check()
        return check.detail if check else ""


@pytest.fixture
def world(engine: Engine, tmp_path: Path, server: FakeOpenAI) -> World:
    return World(engine, tmp_path, server)


class TestPromotion:
    async def test_without_any_the_base_answers_and_no_server_is_asked(self, world: World, server: FakeOpenAI) -> None:
        server.models_status = 500
        with capture_logs() as logged:
            assert await world.answers("hr") == [""]
        assert logged == []
        assert await world.keeper.check() is None

    async def test_its_namespace_and_no_other_is_answered_by_it(self, world: World, server: FakeOpenAI) -> None:
        name = world.promote("1")
        assert await world.answers("hr", "it") == [name, ""]
        assert list(server.adapters) == [name]
        assert await world.detail() == "hr-1 answers for the namespace hr"
        assert world.keeper.count() == {"served": 1, "missing": 0}

    async def test_everywhere_means_all_without_their_own(self, world: World) -> None:
        everywhere, own = world.promote("1", EVERYWHERE), world.promote("2")
        assert await world.answers("hr", "it") == [own, everywhere]

    async def test_the_first_question_of_a_process_knows_it(self, world: World) -> None:
        name = world.promote("1")
        asked = await asyncio.gather(*(world.keeper.model_for("hr") for _ in range(5)))
        assert asked == [name] * 5

    async def test_the_first_question_does_not_wait_for_a_server_that_hangs(
        self, world: World, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.promote("1")
        server.models_drip = True
        monkeypatch.setattr("tuning.serving.keeper.WAIT_SECONDS", 0.05)
        async with asyncio.timeout(2.5):
            assert await world.keeper.model_for("hr") == ""

    async def test_after_a_new_one_the_old_goes_on_until_the_new_is_there(
        self, world: World, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = world.promote("1")
        await world.answers("hr")
        loading = asyncio.Event()

        async def load(*_: object) -> None:
            await loading.wait()
            server.adapters[new] = "there"

        monkeypatch.setattr("tuning.serving.server.ModelServer.load", load)
        monkeypatch.setattr("tuning.serving.keeper.WAIT_SECONDS", 0.05)
        new = world.promote("2")
        assert await world.answers("hr") == [old]
        assert "hr-2 should answer for the namespace hr" in await world.detail()
        loading.set()
        assert await world.answers("hr") == [new]

    async def test_a_rollback_is_back_at_once(self, world: World) -> None:
        first, second = world.promote("1"), world.promote("2")
        assert await world.answers("hr") == [second]
        world.store.rollback("hr", "ann")
        assert await world.answers("hr") == [first]
        world.store.rollback("hr", "ann")
        assert await world.answers("hr") == [""]

    async def test_a_whole_model_is_only_looked_for(self, world: World, server: FakeOpenAI) -> None:
        name = world.promote("1", form=Form.MERGED)
        assert await world.answers("hr") == [""]
        check = await world.keeper.check()
        assert check is not None
        assert f"--served-model-name {name}" in check.remedy
        server.models = (MODEL, name)
        assert await world.answers("hr") == [name]
        assert server.changes == []

    async def test_what_cannot_be_read_leaves_all_as_it_was(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = world.promote("1")
        await world.answers("hr")

        def refuse() -> None:
            raise StorageFailed("The database is away.")

        monkeypatch.setattr(world.store, "promoted", refuse)
        with capture_logs() as logged:
            for _ in range(3):
                assert await world.answers("hr") == [name]
        assert [entry["cause"] for entry in logged] == ["The database is away."]


class TestServers:
    async def test_all_replicas_get_it_before_it_answers(
        self, engine: Engine, tmp_path: Path, server: FakeOpenAI, other: FakeOpenAI
    ) -> None:
        world = World(engine, tmp_path, server, other)
        other.load_error = "vLLM does not yet support DoRA."
        name = world.promote("1")
        assert await world.answers("hr") == [""]
        assert list(server.adapters) == [name]
        assert "vLLM does not yet support DoRA" in await world.detail()
        other.load_error = ""
        world.now += FIRST_PAUSE
        assert await world.answers("hr") == [name]
        assert (await world.keeper.check()).state is State.OK  # type: ignore[union-attr]

    async def test_one_that_is_away_keeps_nobody_waiting_and_gets_it_later(
        self, engine: Engine, tmp_path: Path, server: FakeOpenAI, other: FakeOpenAI
    ) -> None:
        world = World(engine, tmp_path, server, other)
        other.models_status = 503
        name = world.promote("1")
        assert await world.answers("hr") == [name]
        other.models_status = 200
        assert await world.answers("hr") == [name]
        assert list(other.adapters) == [name]

    async def test_after_a_restart_it_is_loaded_again_at_once(self, world: World, server: FakeOpenAI) -> None:
        name = world.promote("1")
        await world.answers("hr")
        server.adapters.clear()
        assert await world.answers("hr") == [name]
        assert server.changes == [f"load {name}"] * 2

    async def test_a_server_that_came_back_is_tried_at_once_whatever_it_said_before(
        self, world: World, server: FakeOpenAI
    ) -> None:
        name = world.promote("1")
        server.load_error = "out of memory"
        assert await world.answers("hr") == [""]
        server.models_status, server.load_error = 503, ""
        await world.answers("hr")
        server.models_status = 200
        assert await world.answers("hr") == [name]

    async def test_when_none_answers_what_answered_goes_on(self, world: World, server: FakeOpenAI) -> None:
        name = world.promote("1")
        await world.answers("hr")
        server.models_status = 503
        assert await world.answers("hr") == [name]

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"load_error": "LoRA rank 64 is greater than max_lora_rank 16."}, "greater than max_lora_rank 16"),
            ({"load_error": "out of \x1b[31m\n memory"}, "out of [31m memory"),
            ({"loads_adapters": False}, "loads no adapters at run time"),
            ({"key": "other"}, "refuses the key"),
        ],
    )
    async def test_what_a_server_refuses_is_told_and_the_base_answers(
        self, world: World, server: FakeOpenAI, changes: dict[str, Any], said: str
    ) -> None:
        world.promote("1")
        for field, value in changes.items():
            setattr(server, field, value)
        assert await world.answers("hr") == [""]
        check = await world.keeper.check()
        assert check is not None
        assert (check.state, bool(check.remedy)) == (State.DEGRADED, True)
        assert said in check.detail
        assert world.keeper.count() == {"served": 0, "missing": 1}

    async def test_a_refused_adapter_is_tried_again_less_and_less_often(self, world: World, server: FakeOpenAI) -> None:
        server.load_error = "broken"
        world.promote("1")
        for _ in range(600):
            await world.keeper.look()
            world.now += 5
        assert 5 < len(server.changes) < 20

    async def test_it_is_told_once_that_a_namespace_is_not_answered_by_its_adapter(
        self, world: World, server: FakeOpenAI
    ) -> None:
        server.load_error = "broken"
        name = world.promote("1")
        with capture_logs() as logged:
            for _ in range(3):
                await world.keeper.look()
        (entry,) = logged
        assert (entry["namespace"], entry["wanted"]) == ("hr", name)
        assert "broken" in entry["cause"]
        assert KEY not in str(logged)

    async def test_another_base_model_with_the_same_shapes_gets_no_adapter_of_its_own_accord(
        self, engine: Engine, tmp_path: Path, server: FakeOpenAI, other: FakeOpenAI
    ) -> None:
        world = World(engine, tmp_path, server, other)
        server.root, other.root = "/models/tiny", "org/another"
        name = world.promote("1", base=BaseModel("org/tiny", "abc"))
        assert await world.answers("hr") == [""]
        assert list(other.adapters) == []
        check = await world.keeper.check()
        assert check is not None
        assert f"hr-1 was trained on org/tiny, and {other.url} serves org/another" in check.detail
        assert "--force" in check.remedy
        world.store.rollback("hr", "ann")
        await world.answers("hr")
        world.store.promote("hr", "hr-1", "ann", is_forced=True, reason="It is the same.")
        assert await world.answers("hr") == [name]

    async def test_a_password_in_an_address_is_told_to_nobody(
        self, engine: Engine, tmp_path: Path, server: FakeOpenAI
    ) -> None:
        url = server.url.replace("//", "//ann:secret@")
        world = World(engine, tmp_path, server, adapters=Adapters(servers=[url], poll_seconds=0.5))
        server.load_error, server.root = "broken", "org/another"
        world.promote("1")
        with capture_logs() as logged:
            await world.keeper.look()
        assert server.url in await world.detail()
        assert "secret" not in f"{logged} {await world.detail()}"

    async def test_files_that_are_gone_are_told(self, world: World, server: FakeOpenAI) -> None:
        world.promote("1")
        for path in (world.settings.data_dir / "adapters").rglob("*.safetensors"):
            path.unlink()
        assert await world.answers("hr") == [""]
        assert "hr-1" in await world.detail()
        assert server.changes == []

    async def test_a_server_elsewhere_is_told_where_it_sees_the_files(
        self, engine: Engine, tmp_path: Path, server: FakeOpenAI
    ) -> None:
        adapters = Adapters(folder=str(tmp_path / "shared"), folder_on_server="/mnt/adapters")
        world = World(engine, tmp_path, server, adapters=adapters)
        name = world.promote("1")
        assert await world.answers("hr") == [""]
        check = await world.keeper.check()
        assert check is not None
        assert f"finds no adapter in /mnt/adapters/{name}" in check.detail
        assert "adapters.folder_on_server" in check.remedy
        assert (tmp_path / "shared" / name / "adapter_config.json").is_file()


class TestUnloading:
    async def test_what_nobody_wants_goes_after_the_longest_answer(self, world: World, server: FakeOpenAI) -> None:
        old = world.promote("1")
        await world.answers("hr")
        new = world.promote("2")
        await world.answers("hr")
        world.now += 30
        await world.answers("hr")
        assert set(server.adapters) == {old, new}
        world.now += GRACE_SECONDS + 1
        await world.answers("hr")
        assert set(server.adapters) == {new}

    async def test_what_is_wanted_again_stays(self, world: World, server: FakeOpenAI) -> None:
        old = world.promote("1")
        world.promote("2")
        await world.answers("hr")
        world.now += 40
        world.store.rollback("hr", "ann")
        await world.answers("hr")
        world.now += 40
        await world.answers("hr")
        assert old in server.adapters

    async def test_the_last_one_goes_as_well(self, world: World, server: FakeOpenAI) -> None:
        world.promote("1")
        await world.answers("hr")
        world.store.rollback("hr", "ann")
        for _ in range(2):
            await world.answers("hr")
            world.now += 30 + GRACE_SECONDS + 1
        assert server.adapters == {}

    async def test_processes_that_seldom_look_may_still_ask_for_it(
        self, engine: Engine, tmp_path: Path, server: FakeOpenAI
    ) -> None:
        world = World(engine, tmp_path, server, adapters=Adapters(poll_seconds=300))
        old = world.promote("1")
        await world.answers("hr")
        world.store.rollback("hr", "ann")
        await world.answers("hr")
        world.now += 30 + GRACE_SECONDS + 1
        await world.answers("hr")
        assert old in server.adapters
        world.now += 300
        await world.answers("hr")
        assert server.adapters == {}

    async def test_a_server_that_was_away_is_looked_at_when_it_is_back(self, world: World, server: FakeOpenAI) -> None:
        world.promote("1")
        await world.answers("hr")
        server.models_status = 503
        world.store.rollback("hr", "ann")
        await world.answers("hr")
        server.models_status = 200
        for _ in range(2):
            await world.answers("hr")
            world.now += 1000
        assert server.adapters == {}

    async def test_what_is_not_ours_or_is_named_in_the_settings_stays(
        self, engine: Engine, tmp_path: Path, server: FakeOpenAI
    ) -> None:
        world = World(engine, tmp_path, server)
        tried = registered(world.store, world.settings, "9").served_as
        world = World(engine, tmp_path, server, namespaces={"it": Namespace(model=tried)})
        world.promote("1")
        server.adapters.update({"somebody-else-s": "/there", tried: "/there"})
        for _ in range(2):
            await world.answers("hr")
            world.now += 1000
        assert {"somebody-else-s", tried} <= set(server.adapters)


class TestErasing:
    async def test_files_of_what_is_retired_go_when_no_server_has_it(self, world: World, server: FakeOpenAI) -> None:
        name = world.promote("1")
        await world.answers("hr")
        copy = world.settings.data_dir / "served" / name
        world.store.rollback("hr", "ann")
        world.store.retire("hr-1", "ann")
        await world.answers("hr")
        assert copy.is_dir(), "the server has it, and may read it again"
        world.now += 1000
        await world.answers("hr")
        server.models_status = 503
        await world.answers("hr")
        assert copy.is_dir(), "who knows what the server has"
        server.models_status = 200
        await world.answers("hr")
        assert not copy.exists()
        assert (world.settings.data_dir / "adapters" / "files").is_dir(), "the store is not ours"

    async def test_files_of_what_is_retired_long_after_go_as_well(self, world: World, server: FakeOpenAI) -> None:
        name = world.promote("1")
        await world.answers("hr")
        world.store.rollback("hr", "ann")
        for _ in range(3):
            await world.answers("hr")
            world.now += 1000
        world.store.retire("hr-1", "ann")
        await world.answers("hr")
        assert not (world.settings.data_dir / "served" / name).exists()

    async def test_what_another_process_erases_meanwhile_is_no_trouble(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.promote("1")
        await world.answers("hr")
        world.store.rollback("hr", "ann")
        for _ in range(3):
            await world.answers("hr")
            world.now += 1000
        world.store.retire("hr-1", "ann")

        def erase(folder: Path) -> None:
            raise FileNotFoundError(folder)

        monkeypatch.setattr("shutil.rmtree", erase)
        with capture_logs() as logged:
            await world.answers("hr")
        assert logged == []

    async def test_files_of_what_may_be_promoted_again_stay(self, world: World, server: FakeOpenAI) -> None:
        name = world.promote("1")
        await world.answers("hr")
        world.store.rollback("hr", "ann")
        for _ in range(3):
            await world.answers("hr")
            world.now += 1000
        assert server.adapters == {}
        assert (world.settings.data_dir / "served" / name).is_dir()


class TestKeeping:
    async def test_a_promotion_is_noticed_while_it_runs(self, world: World, server: FakeOpenAI) -> None:
        keeping = asyncio.create_task(world.keeper.keep())
        assert await world.keeper.model_for("hr") == ""
        name = world.promote("1")
        async with asyncio.timeout(20):
            while await world.keeper.model_for("hr") != name:
                await asyncio.sleep(0.05)
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        assert list(server.adapters) == [name]

    async def test_a_check_at_the_start_waits_for_the_first_round_and_decides_nothing(self, world: World) -> None:
        name = world.promote("1")
        keeping = asyncio.create_task(world.keeper.keep())
        await asyncio.sleep(0)
        with capture_logs() as logged:
            checked, answers = await asyncio.gather(world.keeper.check(), world.keeper.model_for("hr"))
        assert checked is not None
        assert (checked.state, answers) == (State.OK, name)
        assert [entry["log_level"] for entry in logged] == ["info"]
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    async def test_a_process_that_does_not_answer_says_what_is_so_now(
        self, engine: Engine, tmp_path: Path, world: World, server: FakeOpenAI
    ) -> None:
        worker = World(engine, tmp_path, server).keeper
        name = world.promote("1")
        await worker.check()
        assert worker.count() == {"served": 0, "missing": 1}
        assert await world.answers("hr") == [name]
        check = await worker.check()
        assert check is not None
        assert (check.state, worker.count()) == (State.OK, {"served": 1, "missing": 0})

    async def test_a_model_that_the_settings_name_and_nobody_has_is_told(
        self, engine: Engine, tmp_path: Path, server: FakeOpenAI
    ) -> None:
        world = World(engine, tmp_path, server, namespaces={"hr": Namespace(model="by-hand")})
        check = await world.keeper.check()
        assert check is not None
        assert (check.state, "namespaces.hr.model" in check.remedy) == (State.DEGRADED, True)
        server.adapters["by-hand"] = "/there"
        assert await world.detail() == "by-hand answers for the namespace hr"

    async def test_the_doctor_changes_nothing(self, world: World, server: FakeOpenAI) -> None:
        world.promote("1")
        check = await world.keeper.check()
        assert check is not None
        assert check.state is State.DEGRADED
        assert server.changes == []
