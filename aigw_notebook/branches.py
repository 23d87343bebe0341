"""The branches of sessions as a tree: which session was branched off which, and after which turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import ConfigurationError
from .faces import AsyncSession, Session
from .log import reader
from .recorded import Recorded
from .recording import Header
from .records import Column, Row
from .session import header_of
from .session.living import living
from .tables import Table
from .tables.schemas import Schema

if TYPE_CHECKING:
    import pandas

__all__ = ["TREE", "Tree", "tree"]

SessionLike: TypeAlias = Session | AsyncSession | Recorded | str

TREE = Schema(
    "tree",
    "one session, each after the one that it was branched off",
    (
        Column("session_id", "str", "The session"),
        Column("parent", "str", "The session that it was branched off; null for one that was not"),
        Column("at_turn", "int", "The last turn of that one that it knows"),
        Column("provider", "str", "The provider's name in this package"),
        Column("model", "str", "The model, as the provider names it"),
        Column("started_at", "time", "When it began, UTC"),
        Column("turns", "int", "How many turns of its own it has"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Node:
    header: Header
    turns: int


def tree(session: SessionLike | None = None) -> Tree:
    """The sessions that were branched off one another: the tree of `session` (or of its id); None: all trees there are.

    They are found in the log that is kept on this machine, and among the sessions that this process still holds. Raises
    `ConfigurationError` for a session that is in neither, or a log that cannot be read.
    """
    found = _found(session)
    children = _children(found)
    if session is None:
        asked = None
        roots = [name for name in children.get(None, ()) if name in children or found[name].header.parent]
    else:
        asked = session if isinstance(session, str) else session.session_id
        roots = [_root(asked, found)]
    depths = [pair for root in roots for pair in _walk(root, children, 0)]
    return Tree([(depth, _row(found[name])) for name, depth in depths], asked)


class Tree:
    """Sessions in the order of their tree: `records` as plain dicts, `table` as a table; shows itself as a drawing."""

    def __init__(self, nodes: list[tuple[int, Row]], asked: str | None = None) -> None:
        self._nodes = nodes
        self._asked = asked

    @property
    def records(self) -> list[Row]:
        """One flat dict a session, in the columns of `TREE`; each stands after its parent."""
        return [row for _, row in self._nodes]

    @property
    def table(self) -> Table:
        """The same as a table."""
        return Table.of(TREE, self.records)

    def to_pandas(self) -> pandas.DataFrame:
        """The same as a `pandas.DataFrame`."""
        return self.table.to_pandas()

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.records)

    def __str__(self) -> str:
        lines = [_branch(self._nodes, at) + self._told(row) for at, (_, row) in enumerate(self._nodes)]
        return "\n".join(lines) or "no session was branched off another one"

    __repr__ = __str__

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": f'<pre style="line-height:1.3">{escape(str(self))}</pre>'}

    def _told(self, row: Row) -> str:
        after = f"after turn {row['at_turn']}: " if row["at_turn"] is not None else ""
        with_whom = " ".join(filter(None, (row["provider"], row["model"])))
        when = row["started_at"][:16].replace("T", " ")
        turns = "1 turn" if row["turns"] == 1 else f"{row['turns']} turns"
        here = "  ← this one" if row["session_id"] == self._asked and len(self) > 1 else ""
        return f"{after}{row['session_id']}  {with_whom}, {when}, {turns}{here}"


def _branch(nodes: list[tuple[int, Row]], at: int) -> str:
    """The lines that lead to the node at that place."""
    depth = nodes[at][0]
    if not depth:
        return ""
    drawn = ["└─ " if _is_last(nodes, at, depth) else "├─ "]
    drawn += ["   " if _is_last(nodes, at, above) else "│  " for above in range(depth - 1, 0, -1)]
    return "".join(reversed(drawn))


def _is_last(nodes: list[tuple[int, Row]], at: int, depth: int) -> bool:
    """Whether nothing follows at that depth before the tree goes back above it."""
    return next((below != depth for below, _ in nodes[at + 1 :] if below <= depth), True)


# ------------------------------------------------------------------------------------------------- what there is


def _found(session: SessionLike | None) -> dict[str, _Node]:
    """Every session that is known of, by its id."""
    with reader() as log:
        counts = log.turn_counts()
        headers = (logged.header for logged in log.sessions())
        found = {header.session_id: _Node(header, counts.get(header.session_id, 0)) for header in headers}
    found |= {core.session_id: _Node(header_of(core), len(core.transcript.turns)) for core in living()}
    if isinstance(session, Recorded):
        found.setdefault(session.session_id, _Node(session.header, len(session.turns)))
    return found


def _children(found: dict[str, _Node]) -> dict[str | None, list[str]]:
    """The ids of the branches of each session, by turn and time; under None those whose parent is not known of."""
    order = sorted(found.values(), key=lambda node: (node.header.parent_turn or 0, node.header.started_at))
    children: dict[str | None, list[str]] = {}
    for node in order:
        parent = node.header.parent
        children.setdefault(parent if parent in found else None, []).append(node.header.session_id)
    return children


def _root(session_id: str, found: dict[str, _Node]) -> str:
    if session_id not in found:
        raise ConfigurationError(
            f"there is no session {session_id!r} in the log; aigw.transcripts() lists what there is"
        )
    seen: set[str] = set()
    while (parent := found[session_id].header.parent) in found and parent not in seen and parent is not None:
        seen.add(parent)
        session_id = parent
    return session_id


def _walk(session_id: str, children: dict[str | None, list[str]], depth: int) -> Iterator[tuple[str, int]]:
    """The session and all below it with their depth."""
    waiting = [(session_id, depth)]
    seen: set[str] = set()
    while waiting:
        name, depth = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name, depth
            waiting += [(child, depth + 1) for child in reversed(children.get(name, ()))]


def _row(node: _Node) -> Row:
    header = node.header
    return {
        "session_id": header.session_id,
        "parent": header.parent,
        "at_turn": header.parent_turn,
        "provider": header.provider,
        "model": header.model,
        "started_at": header.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "turns": node.turns,
    }
