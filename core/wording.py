"""Every sentence that Lorekeeper says of itself, in one place."""

from __future__ import annotations

SEARCHING = "searching"
WRITING = "writing"

UNEXPECTED = "Something went wrong on our side, and your question was not answered."


def no_evidence(has_nearest: bool, contact: str) -> str:
    """An honest no-answer."""
    parts = ["I could not find this in the documents."]
    if has_nearest:
        parts.append("The closest passages are below, in case one of them helps.")
    if contact:
        parts.append(f"You could ask {contact}.")
    return " ".join(parts)


def empty_index(namespace: str, waiting: int) -> str:
    """Nothing to search yet."""
    if waiting:
        documents = "1 document is" if waiting == 1 else f"{waiting} documents are"
        return f"{documents} being indexed right now. Please ask again in a moment."
    where = "" if namespace == "default" else f" in the namespace {namespace}"
    option = "" if namespace == "default" else f" --namespace {namespace}"
    return f"There are no documents{where} yet. An admin can add some with: lorekeeper documents add FOLDER{option}"


def failed(message: str, reference: str) -> str:
    """A short apology with the id under which the log has the cause."""
    return f"{message} (reference {reference})"
