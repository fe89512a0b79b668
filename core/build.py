"""The composition root: settings to a working application. Nothing else constructs these parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from core.datafolder import Claim, Owner, claim, free_bytes, prepare
from core.health import Check, State
from core.metrics import Metrics, Readings
from core.plugins import load
from core.ports import Asker, Documents, Embedder, Jobs, Reranker, Retriever, Sources, VectorIndex, Versions
from core.restoring import refuse_unfinished
from core.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from core.generation.auto import Chooser
    from core.identity import IndexIdentity
    from core.retrieval.stored import StoredVectors
    from core.store.calibrations import Calibrations
    from core.store.conversations import Conversations
    from core.store.documents import DocumentStore
    from core.store.feedback import FeedbackStore
    from core.store.inbox import Inbox
    from core.store.installations import Installations
    from core.store.keys import KeyStore
    from core.store.places import Bindings, Threads

PIPELINE = "ingest.pipeline:Pipeline"
INDEX_VERSIONS = ("ingest.split:SPLIT_VERSION", "ingest.vectors:VECTOR_VERSION")
REMOTE = "bots.gateway.client:GatewayClient"
SOURCES = "ingest.sync:SourceKeeper"
MODELS = "tuning.serving.keeper:ModelKeeper"
REMOTE_SOURCES = "bots.gateway.sources_client:SourcesClient"
REMOTE_JOBS = "bots.gateway.jobs_client:JobsClient"
REMOTE_VERSIONS = "bots.gateway.versions_client:VersionsClient"


@dataclass(frozen=True, slots=True)
class Record:
    """What only a process that has the record itself can offer: the channels need it."""

    conversations: Conversations
    feedback: FeedbackStore
    keys: KeyStore
    retriever: Retriever
    calibrations: Calibrations
    inbox: Inbox
    threads: Threads
    bindings: Bindings
    installations: Callable[[str], Installations]
    """By channel."""


@dataclass(frozen=True, slots=True)
class Application:
    """What entry points get. `checks` is the readiness of every dependency."""

    settings: Settings
    asker: Asker
    documents: Documents
    jobs: Jobs
    versions: Versions
    sources: Sources
    checks: Callable[[], Awaitable[Sequence[Check]]]
    claim: Claim | None = None
    identity: str = ""
    """The embedding model's identity; empty when another process owns the index."""
    record: Record | None = None
    """None when another process owns the data folder."""
    metrics: Metrics = field(default_factory=Metrics)
    reports: dict[str, Check] = field(default_factory=dict)
    """What running channels say of themselves; part of `checks`."""
    keep_in_sync: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Synchronises the sources when their time has come, until cancelled; None when another process does."""
    keep_models: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Has the model's servers serve what namespaces are promoted to, until cancelled; None without a model."""
    work: Callable[[], None] = lambda: None
    """Has received files indexed from now on, if the settings say that this process does so."""
    stop: Callable[[], None] = lambda: None
    """Takes no more files: those in work are given back, or finished where that is quicker."""
    vectors: StoredVectors | None = None
    """For backups; None when another process owns the index."""
    _parts: ExitStack = field(default_factory=ExitStack, repr=False)

    def close(self) -> None:
        """Finish what is in work and give the data folder back."""
        self._parts.close()


def open_application(
    settings: Settings,
    command: str,
    *,
    wait_seconds: float = 0.0,
    for_reindex: bool = False,
    for_repair: bool = False,
    through_owner: bool = True,
) -> Application:
    """Everything, wired. When another process owns the data folder and serves, the application goes through it.

    `for_repair`: also after a restoration that did not come to its end.

    Raises `DataFolderInUse`, `IndexMismatch`, `StorageFailed`, `MissingExtra`, `EmbeddingFailed`.
    """
    prepare(settings.data_dir)
    held = claim(settings.data_dir, command, wait_seconds) if settings.is_embedded else None
    if isinstance(held, Owner):
        if not through_owner:
            raise _in_use(settings, held)
        return _open_remote(settings, held)
    if not for_repair:
        _check_whole(settings, held)
    return _open_local(settings, held, for_reindex=for_reindex)


def open_embedder(settings: Settings) -> Embedder:
    """The configured embedding model."""
    if settings.embedding.url:
        from core.retrieval.embed.endpoint import EndpointEmbedder

        return EndpointEmbedder(settings.embedding)
    from core.retrieval.embed.onnx import open_onnx

    return open_onnx(settings)


def split_identity(settings: Settings) -> str:
    """Everything that changes how documents are cut, and what of each chunk is embedded."""
    versions = "/".join(map(load, INDEX_VERSIONS))
    return f"{versions}/{settings.split.max_tokens}/{settings.split.overlap_tokens}"


def _open_local(settings: Settings, held: Claim | None, *, for_reindex: bool) -> Application:
    from core.generation.auto import BaseForAll
    from core.generation.build import open_generation
    from core.identity import IndexIdentity
    from core.readiness import Readiness
    from core.responder import Responder
    from core.retrieval.chroma import open_chroma
    from core.retrieval.embed.batching import QueryBatcher
    from core.retrieval.evidence import PassageEvidence
    from core.retrieval.hybrid import HybridRetriever
    from core.store.calibrations import Calibrations
    from core.store.conversations import Conversations
    from core.store.documents import DocumentStore
    from core.store.engine import open_engine, upgrade
    from core.store.feedback import FeedbackStore
    from core.store.inbox import Inbox
    from core.store.installations import Installations
    from core.store.keys import KeyStore
    from core.store.lexical import open_lexical
    from core.store.meta import IndexMeta
    from core.store.places import Bindings, Threads
    from core.store.sources import SourceStore

    with ExitStack() as parts:
        if held is not None:
            parts.callback(held.release)
        engine = open_engine(settings.database_url, settings.data_dir)
        parts.callback(engine.dispose)
        upgrade(engine)
        store = DocumentStore(engine)
        embedder = open_embedder(settings)
        parts.callback(embedder.close)
        identity = IndexIdentity(IndexMeta(engine), embedder.identity, split_identity(settings))
        if not for_reindex:
            identity.check(is_empty=store.count_chunks(None) == 0)
        calibrations = Calibrations(IndexMeta(engine), embedder.identity)
        vectors = open_chroma(settings, embedder.identity)
        parts.callback(vectors.close)
        metrics = Metrics()
        remembering = _remembering(embedder, metrics)
        retriever = HybridRetriever(
            QueryBatcher(remembering),
            vectors,
            open_lexical(engine),
            store,
            settings.retrieval,
            _open_reranker(settings),
        )
        chooser, rewriter = open_generation(settings.generation, remembering, metrics.model_replied)
        keep_days = settings.conversations.keep_days
        conversations, inbox = Conversations(engine, keep_days), Inbox(engine, keep_days)
        reports: dict[str, Check] = {}
        models = _open_models(settings, engine)
        metrics.readings = _readings(settings, engine, store, inbox, vectors, chooser, reports, models)
        responder = Responder(
            retriever=retriever,
            evidence=PassageEvidence(remembering),
            chooser=chooser,
            rewriter=rewriter,
            store=store,
            conversations=conversations,
            threshold=_threshold(settings),
            calibration=calibrations.get(),
            namespaces=settings.namespaces,
            models=models or BaseForAll(),
            until_sure=_has_model(settings),
            observe=metrics.answered,
        )
        pipeline = _open_pipeline(engine, store, vectors, embedder, identity, settings, metrics)
        sources = load(SOURCES)(SourceStore(engine), pipeline, settings)
        _begin(parts, pipeline, sources, for_reindex=for_reindex)
        record = Record(
            conversations,
            FeedbackStore(engine),
            KeyStore(engine),
            retriever,
            calibrations,
            inbox,
            Threads(engine, keep_days),
            Bindings(engine),
            partial(Installations, engine),
        )
        return Application(
            settings,
            responder,
            pipeline,
            pipeline.jobs,
            pipeline.versions,
            sources,
            Readiness(settings, store, vectors, chooser, reports, models and models.check).checks,
            held,
            embedder.identity,
            record,
            metrics,
            reports,
            sources.keep_in_sync if settings.jobs.run else None,
            models and models.keep,
            pipeline.work,
            partial(_stop, sources, pipeline),
            vectors,
            parts.pop_all(),
        )


def _open_pipeline(
    engine: Engine,
    store: DocumentStore,
    vectors: VectorIndex,
    embedder: Embedder,
    identity: IndexIdentity,
    settings: Settings,
    metrics: Metrics,
) -> Any:
    from core.retrieval.embed.measured import MeasuredEmbedder
    from core.store.history import HistoryStore
    from core.store.inspection import Inspection
    from core.store.jobs import JobStore

    stores = (store, HistoryStore(engine), JobStore(engine), Inspection(engine))
    measured = MeasuredEmbedder(embedder, partial(metrics.embedded, "documents"))
    return load(PIPELINE)(*stores, vectors, measured, identity, settings, metrics)


def _remembering(embedder: Embedder, metrics: Metrics) -> Embedder:
    """For questions."""
    from core.retrieval.embed.measured import MeasuredEmbedder
    from core.retrieval.embed.remembering import RememberingEmbedder

    return RememberingEmbedder(MeasuredEmbedder(embedder, partial(metrics.embedded, "questions")))


def _open_models(settings: Settings, engine: Engine) -> Any:
    """Who knows which tuned model answers where; None where no model does."""
    if not _has_model(settings):
        return None
    from core.store.adapters import AdapterStore

    return load(MODELS)(AdapterStore(engine), settings)


def _open_reranker(settings: Settings) -> Reranker | None:
    if not settings.retrieval.reranker:
        return None
    from core.retrieval.rerank import CrossEncoderReranker

    return CrossEncoderReranker(settings.retrieval.reranker)


def _readings(
    settings: Settings,
    engine: Engine,
    store: DocumentStore,
    inbox: Inbox,
    vectors: VectorIndex,
    chooser: Chooser,
    reports: Mapping[str, Check],
    models: Any,
) -> Readings:
    """What metrics are made of that nobody counts."""
    from core.store.job_counts import count_jobs
    from core.store.meta import IndexMeta

    return Readings(
        documents=store.count_by_status,
        jobs=partial(count_jobs, engine),
        messages=inbox.count_waiting,
        index=lambda: {"passages": store.count_chunks(None), "vectors": vectors.count()},
        free_bytes=partial(free_bytes, settings.data_dir),
        backup_seconds=IndexMeta(engine).seconds_since_backup,
        ask_model=chooser.healthy if _has_model(settings) else None,
        channels=lambda: {name: said.state is State.OK for name, said in reports.items()},
        adapters=models.count if models else dict,
    )


def _begin(parts: ExitStack, pipeline: Any, sources: Any, *, for_reindex: bool) -> None:
    """Put right what a crash left, and see to it that both end in order: sources work with the pipeline."""
    parts.callback(sources.close)
    parts.callback(pipeline.close)
    parts.callback(sources.stop)
    if not for_reindex:
        pipeline.recover()
        sources.recover()


def _stop(sources: Any, pipeline: Any) -> None:
    sources.stop()
    pipeline.stop()


def _has_model(settings: Settings) -> bool:
    return settings.generation.mode != "extractive" and bool(settings.generation.base_url)


def _threshold(settings: Settings) -> float:
    from core.abstention import DEFAULT_THRESHOLD

    chosen = settings.retrieval.min_confidence
    return DEFAULT_THRESHOLD if chosen < 0 else chosen


def _open_remote(settings: Settings, owner: Owner) -> Application:
    client = load(REMOTE)(owner.url, owner.token)
    parts = ExitStack()
    parts.callback(client.close)
    sources = load(REMOTE_SOURCES)(owner.url, owner.token)
    jobs, versions = (load(each)(owner.url, owner.token) for each in (REMOTE_JOBS, REMOTE_VERSIONS))
    return Application(settings, client, client, jobs, versions, sources, client.checks, _parts=parts)


def _check_whole(settings: Settings, held: Claim | None) -> None:
    try:
        refuse_unfinished(settings.data_dir)
    except BaseException:
        if held is not None:
            held.release()
        raise


def _in_use(settings: Settings, owner: Owner) -> Exception:
    from core.errors import DataFolderInUse

    return DataFolderInUse(
        f"The data folder {settings.data_dir} is already served by `{owner.command}` (process {owner.pid}) at {owner.url}. "
        "Use that one, stop it, or set LOREKEEPER_DATA_DIR to another folder."
    )
