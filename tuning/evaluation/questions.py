"""The held-out questions of a data set, without those that a run could have learnt by heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.citations import parse_citations
from core.errors import InvalidRequest
from tuning.dataset.files import MANIFEST, Row, read_examples, read_manifest
from tuning.dataset.grounding import shown_passages
from tuning.dataset.review import reviewed
from tuning.dataset.types import Example, Lineage, Split
from tuning.evaluation.types import Question
from tuning.training.run import DATASET, Run


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What is asked, and what it was chosen from."""

    questions: tuple[Question, ...]
    """In the order of their hashes, which is as good as drawn by lot."""
    examples: tuple[Example, ...]
    """Training examples, for the model that is shown some of them."""
    dataset: str
    """The data set's hash."""
    answer_tokens: int
    """Longest answer, as the data set's settings have it."""
    leaked: int = 0
    """Test examples that are left out, because the run learnt from their documents."""
    is_own: bool = True
    """It is the data set that the run was trained with."""


def held_out(run_folder: Path, run: Run, folder: Path, most: int = 0) -> HeldOut:
    """The reviewed test examples of the data set in `folder`; `most` of them, or all. Raises `InvalidRequest`."""
    manifest = read_manifest(folder)
    if read_manifest(run_folder / DATASET)["hash"] != run.dataset.hash:
        raise InvalidRequest(
            f"{run_folder / DATASET} is of another data set than the one that the run was trained with, so nobody knows "
            "what it has learnt. Put the right manifest there, or train again."
        )
    if manifest["prompt_fingerprint"] != run.dataset.prompt:
        raise InvalidRequest(
            "The data set was made for another wording of the prompt than the one that the run was trained with. "
            "Make the data set again and train again, or take the data set of the run."
        )
    made, examples = read_examples(folder), reviewed(folder).examples
    tests = {each.hash for each in made if each.split is Split.TEST}
    # Those of runs that this one was continued from lie below its own.
    used = [read_manifest(path.parent) for path in sorted((run_folder / DATASET).rglob(MANIFEST))]
    own = manifest["hash"]
    learnt = set[str]().union(*(learnt_documents(each, tests if each["hash"] == own else set()) for each in used))
    # An answer that a review took away leaves the question about the documents that it was about.
    asked_about = {each.prompt: about(each.lineage) for each in made}
    # The same prompt twice would count as two questions, and gets one answer.
    test = list({each.prompt: each for each in examples if each.split is Split.TEST}.values())
    clean = sorted((each for each in test if not learnt & asked_about[each.prompt]), key=lambda each: each.hash)
    return HeldOut(
        tuple(question(each) for each in (clean[:most] if most else clean)),
        tuple(each for each in examples if each.split is Split.TRAIN),
        str(own),
        int(manifest["made_with"]["max_tokens"]),
        len(test) - len(clean),
        own == run.dataset.hash,
    )


def learnt_documents(manifest: Row, tests: set[str]) -> set[str]:
    """Ids of the documents that a run with this data set was shown.

    `tests`: hashes of the data set's test examples. Where they are not known, every document counts.
    """
    documents: Mapping[str, Sequence[str]] = manifest["lineage"]["documents"]
    return {document for document, hashes in documents.items() if not tests.issuperset(hashes)}


def about(lineage: Lineage) -> set[str]:
    """Ids of the documents that answer; a passage that only stands beside them gives nothing away."""
    return {use.document_id for use in lineage.answer} | set(lineage.hidden)


def question(example: Example) -> Question:
    """The example with the passages of its prompt, and which of them answer."""
    passages = shown_passages(example.prompt)
    chunks = {chunk for use in example.lineage.answer for chunk in use.chunk_ids}
    numbered = enumerate(example.lineage.numbered[: len(passages)], start=1)
    gold = {number for number, chunk in numbered if chunk in chunks} | set(parse_citations(example.answer))
    return Question(example, passages, frozenset(gold) if example.is_answered else frozenset())
