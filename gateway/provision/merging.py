"""Our rules and statements among those of others: which are right, and what to write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.provision import documents
from gateway.provision.documents import Document


def normal(value: Any) -> Any:
    """Return a document as it can be compared: stores write one text where others list it."""
    if isinstance(value, Mapping):
        return {key: normal(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        inside = [normal(one) for one in value]
        return inside[0] if len(inside) == 1 else sorted(inside, key=_order)
    return value


def _order(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def with_rules(
    current: Sequence[Document], ours: Mapping[str, Document | None], name: str
) -> list[Document]:
    """Return the rules with ours among them, the very same where nothing is to be changed.

    Ours are given by their ids, which are under ``name`` in a rule; None is one to be removed.
    """
    found = {one.get(name, ""): one for one in current}
    kept = [one for one in current if one.get(name, "") not in ours]
    right = all(normal(found.get(id)) == normal(rule) for id, rule in ours.items())
    if right:
        return list(current)
    return kept + [rule for rule in ours.values() if rule is not None]


def with_statement(policy: Document | None, statement: Document) -> Document:
    """Return a policy with a statement of ours, all others kept."""
    policy = policy or documents.policy()
    held = policy["Statement"]
    statements = [held] if isinstance(held, Mapping) else list(held)
    found = [one for one in statements if one.get("Sid") == statement["Sid"]]
    if len(found) == 1 and _statement(found[0]) == _statement(statement):
        return policy
    kept = [one for one in statements if one not in found]
    return {**policy, "Statement": [*kept, statement]}


def _statement(statement: Mapping[str, Any]) -> Any:
    value = normal(statement)
    # Two ways to write everybody (IAM user guide, "Principal").
    return {**value, "Principal": {"AWS": "*"}} if value.get("Principal") == "*" else value
