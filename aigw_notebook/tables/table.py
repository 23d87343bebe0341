"""One table: columns inside, rows as dicts outside, and the roads to what others read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import islice
from operator import itemgetter
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..encodable import encodable
from ..errors import ConfigurationError
from ..records import Row
from .schemas import Schema

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__all__ = ["Table"]

ROWS_SHOWN = 10
COLUMNS_SHOWN = 8
CHARACTERS_SHOWN = 60
ROWS_AT_ONCE = 1_000
"""Taken from a source of rows: bounds the memory that a long one needs."""


class Table(Sequence[Row]):
    """Rows with the columns of a `schema`, in that order. Immutable.

    It is a sequence of dicts; `table["text"]` is a column as a list, `table[2:5]` a smaller table. Whatever reads Arrow
    (`pyarrow.table`, `polars.DataFrame`, `pandas.DataFrame.from_arrow`, DuckDB) takes it as it is.
    """

    __slots__ = ("columns", "schema")

    def __init__(self, schema: Schema, columns: Mapping[str, list[Any]]) -> None:
        self.schema = schema
        self.columns = {name: columns[name] for name in schema.names}

    @classmethod
    def of(cls, schema: Schema, rows: Iterable[Mapping[str, Any]]) -> Table:
        """A table of these rows, each of which has all columns of the schema. They are taken one batch at a time.

        Text that no file could hold, such as half a surrogate pair, is made such that one can.
        """
        names = tuple(schema.names)
        columns: dict[str, list[Any]] = {name: [] for name in names}
        source = iter(rows)
        while batch := list(islice(source, ROWS_AT_ONCE)):
            if all(tuple(row) == names for row in batch):  # in order already: much the faster way
                values = zip(*[row.values() for row in batch], strict=True)
            else:
                values = zip(*map(itemgetter(*names), batch), strict=True)
            for column, piece in zip(columns.values(), values, strict=True):
                column.extend(piece)
        for name in (known.name for known in schema.columns if known.type == "str"):
            _make_encodable(columns[name])
        return cls(schema, columns)

    # ----------------------------------------------------------------------------------------------------- rows of it

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __iter__(self) -> Iterator[Row]:
        names = self.schema.names
        return (dict(zip(names, values, strict=True)) for values in zip(*self.columns.values(), strict=True))

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> Table: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    def __getitem__(self, key: int | slice | str) -> Row | Table | list[Any]:
        if isinstance(key, str):
            return list(self.columns[self._known(key)])
        if isinstance(key, slice):
            return Table(self.schema, {name: values[key] for name, values in self.columns.items()})
        return {name: values[key] for name, values in self.columns.items()}

    def where(self, **equal: Any) -> Table:
        """The rows in which each named column has that value: `table.where(role="user", turn=2)`."""
        wanted = [(self.columns[self._known(name)], value) for name, value in equal.items()]
        at = [n for n in range(len(self)) if all(values[n] == value for values, value in wanted)]
        return Table(self.schema, {name: [values[n] for n in at] for name, values in self.columns.items()})

    def _known(self, name: str) -> str:
        if name not in self.columns:
            raise ConfigurationError(
                f"the table {self.schema.name} has no column {name!r}: it has {', '.join(self.columns)}"
            )
        return name

    # ------------------------------------------------------------------------------------------------ to other roads

    def to_pandas(self) -> pandas.DataFrame:
        """A `pandas.DataFrame`: nullable `Int64` and `boolean`, times as timestamps in UTC."""
        from .frames import to_pandas

        return to_pandas(self)

    def to_polars(self) -> polars.DataFrame:
        """A `polars.DataFrame`."""
        from .frames import to_polars

        return to_polars(self)

    def to_arrow(self) -> pyarrow.Table:
        """A `pyarrow.Table`; the doc of each column is in the metadata of its field."""
        from .frames import to_arrow

        return to_arrow(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        from .frames import arrow_stream

        return arrow_stream(self, requested_schema)

    def to_parquet(self, path: str | PathLike[str]) -> Path:
        """Write a Parquet file and return its path. An existing file is replaced."""
        from .frames import write_parquet

        return write_parquet(self, Path(path).expanduser())

    @overload
    def to_csv(self, path: None = None) -> str: ...
    @overload
    def to_csv(self, path: str | PathLike[str]) -> Path: ...
    def to_csv(self, path: str | PathLike[str] | None = None) -> str | Path:
        """The table as CSV (RFC 4180, UTF-8): its text, or its path where one is given. Null is an empty field, and
        empty text is `""`.
        """
        return _written(self._csv(), path)

    @overload
    def to_jsonl(self, path: None = None) -> str: ...
    @overload
    def to_jsonl(self, path: str | PathLike[str]) -> Path: ...
    def to_jsonl(self, path: str | PathLike[str] | None = None) -> str | Path:
        """The table as JSON Lines, one object a row: its text, or its path where one is given."""
        return _written((json.dumps(row, ensure_ascii=False) + "\n" for row in self), path)

    def _csv(self) -> Iterator[str]:
        yield ",".join(self.schema.names) + "\r\n"
        for values in zip(*self.columns.values(), strict=True):
            yield ",".join(map(_csv_field, values)) + "\r\n"

    # ----------------------------------------------------------------------------------------------------- shown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.schema == other.schema and self.columns == other.columns

    __hash__ = None  # type: ignore[assignment]  # its columns are lists

    def __repr__(self) -> str:
        return f"<Table {self.schema.name}: {len(self)} rows, {len(self.columns)} columns>"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self._shown())
        body = "".join(self._html_row(row) for row in self[:ROWS_SHOWN])
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{escape(self._left_out())}</p>"

    def _shown(self) -> list[str]:
        """The columns worth a look: those in which something stands, the first of them."""
        told = [name for name, values in self.columns.items() if any(v is not None for v in values[:ROWS_SHOWN])]
        return [name for name in told if name != "session_id"][:COLUMNS_SHOWN]

    def _html_row(self, row: Row) -> str:
        return "<tr>" + "".join(f"<td>{escape(_short(row[name]))}</td>" for name in self._shown()) + "</tr>"

    def _left_out(self) -> str:
        shown = f"{min(len(self), ROWS_SHOWN)} of {len(self)} rows, {len(self._shown())} of {len(self.columns)} columns"
        return f"{self.schema.name}: {shown}; .to_pandas() has them all"


def _make_encodable(values: list[Any]) -> None:
    for at, value in enumerate(values):
        if type(value) is str and not value.isascii():
            values[at] = encodable(value)


def _csv_field(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value)
    return value if value and not _SPECIAL.intersection(value) else '"' + value.replace('"', '""') + '"'


_SPECIAL = frozenset(',"\r\n \t')


def _written(pieces: Iterator[str], path: str | PathLike[str] | None) -> str | Path:
    if path is None:
        return "".join(pieces)
    target = Path(path).expanduser()
    with target.open("w", encoding="utf-8", newline="") as file:
        file.writelines(pieces)
    return target


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= CHARACTERS_SHOWN else text[: CHARACTERS_SHOWN - 1] + "…"
