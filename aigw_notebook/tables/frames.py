"""Tables as frames of the libraries that one may have: each is imported when its road is taken."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from .table import Table

__all__ = ["arrow_stream", "to_arrow", "to_pandas", "to_polars", "write_parquet"]


def to_arrow(table: Table) -> pyarrow.Table:
    """The table as a `pyarrow.Table`. Raises `MissingExtra` without pyarrow."""
    pa = _needed("pyarrow", "arrow")
    arrays = [_arrow_column(pa, table.columns[c.name], c.type) for c in table.schema.columns]
    fields = [
        pa.field(c.name, array.type, metadata={"doc": c.doc})
        for c, array in zip(table.schema.columns, arrays, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={"table": table.schema.name}))


def _arrow_column(pa: Any, values: list[Any], type: str) -> Any:
    if type == "time":
        return pa.array(values, pa.string()).cast(pa.timestamp("ms", tz="UTC"))
    return pa.array(values, _ARROW[type](pa))


_ARROW: dict[str, Callable[[Any], Any]] = {
    "str": lambda pa: pa.string(),
    "int": lambda pa: pa.int64(),
    "float": lambda pa: pa.float64(),
    "bool": lambda pa: pa.bool_(),
}


def to_pandas(table: Table) -> pandas.DataFrame:
    """The table as a `pandas.DataFrame`, through Arrow where that is installed. Raises `MissingExtra` without pandas.

    The types are the same on both roads.
    """
    pd = _needed("pandas", "pandas")
    columns = {c.name: _pandas_column(pd, table.columns[c.name], c.type) for c in table.schema.columns}
    frame: pandas.DataFrame = pd.DataFrame(columns, copy=False)
    return frame


def _pandas_column(pd: Any, values: list[Any], type: str) -> Any:
    """One column, and no whole Arrow table beside the frame: it would double the memory that is needed."""
    pa = import_module("pyarrow") if find_spec("pyarrow") else None
    if type == "time":
        return pd.to_datetime(pd.Series(values, dtype=_text_type(pd)), format="ISO8601", utc=True).dt.as_unit("ms")
    dtype = _text_type(pd) if type == "str" else pd.api.types.pandas_dtype(_PANDAS[type])
    if pa is None or not hasattr(dtype, "__from_arrow__"):
        return pd.Series(values, dtype=dtype)
    array = _arrow_column(pa, values, type)
    return pd.Series(dtype.__from_arrow__(array), copy=False)


_PANDAS = {"int": "Int64", "float": "float64", "bool": "boolean"}


def _text_type(pd: Any) -> Any:
    """What this pandas has text in by itself: before version 3 Python objects."""
    return pd.Series(["text"]).dtype


def to_polars(table: Table) -> polars.DataFrame:
    """The table as a `polars.DataFrame`. Raises `MissingExtra` without Polars."""
    pl = _needed("polars", "polars")
    types = {"str": pl.String, "int": pl.Int64, "float": pl.Float64, "bool": pl.Boolean, "time": pl.String}
    frame = pl.DataFrame(table.columns, schema={c.name: types[c.type] for c in table.schema.columns})
    times = [c.name for c in table.schema.columns if c.type == "time"]
    dated: polars.DataFrame = frame.with_columns(
        pl.col(times).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ms", time_zone="UTC")
    )
    return dated


def arrow_stream(table: Table, requested_schema: object) -> object:
    """The table as a PyCapsule of an Arrow stream, by pyarrow or Polars, whichever is installed."""
    frame = to_polars(table) if not find_spec("pyarrow") and find_spec("polars") else to_arrow(table)
    return frame.__arrow_c_stream__(requested_schema)


def write_parquet(table: Table, path: Path) -> Path:
    """Write a Parquet file, by pyarrow or Polars, whichever is installed."""
    if not find_spec("pyarrow") and find_spec("polars"):
        to_polars(table).write_parquet(path)
    else:
        data = to_arrow(table)
        import_module("pyarrow.parquet").write_table(data, path)
    return path


def _needed(library: str, extra: str) -> Any:
    try:
        return import_module(library)
    except ImportError:
        raise MissingExtra(
            f"{library} is not installed: pip install 'aigw-notebook[{extra}]', or use the rows as they are"
        ) from None
