"""Tables: what a session says as columns of flat scalars, ready for pandas, Polars, Arrow and files."""

from __future__ import annotations

from .schemas import SCHEMAS, Schema
from .table import Table
from .views import Source, Tables

__all__ = ["SCHEMAS", "Schema", "Source", "Table", "Tables"]
