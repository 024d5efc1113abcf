"""Lines of Embedding Studio parsed: what is in them, and their lists of results.

No table is asked for that, so a group can be parsed before it is known what those ahead of it leave in the lake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from ft_assets import lines, plain_lists, queries

__all__ = ["PARSED_FORMAT", "ParsedLines", "parsed_alone", "parsed_lines", "unparsed"]

PARSED_FORMAT = "embedding_studio"
SMALL_BATCH = 100  # lines


@dataclass(frozen=True)
class ParsedLines:
    """Lines of a group in the parts that ``plain_lists.parted`` makes.

    Attributes:
        narrow: the lines without their lists.
        lists: the plain lists, of ``plain_lists.PLACED_SCHEMA``.
    """

    narrow: pa.Table
    lists: pa.Table


def unparsed(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Lines for DuckDB, whose text is called JSON though nobody has looked: it is parsed once, then."""
    table = pa.Table.from_batches(batches, lines.LINE_SCHEMA)
    if table.num_rows < SMALL_BATCH * len(batches):  # many small files cost what a large one does
        table = table.combine_chunks()
    texts = [pa.ExtensionArray.from_storage(pa.json_(), chunk) for chunk in table["raw"].chunks]
    return table.set_column(table.schema.get_field_index("raw"), "raw", pa.chunked_array(texts, pa.json_()))


def parsed_lines(con: duckdb.DuckDBPyConnection) -> ParsedLines:
    """The ``unparsed_lines`` of a connection that has the readers' macros, parsed."""
    parsed = queries.query(con, "readers/embedding_studio_lines")
    return ParsedLines(*plain_lists.parted(queries.stream(parsed), "search_results"))


def parsed_alone(batches: Sequence[pa.RecordBatch]) -> ParsedLines:
    """Lines of ``lines.LINE_SCHEMA``, parsed beside whatever else goes on."""
    with queries.session(is_alone=True) as con:
        con.execute("set preserve_insertion_order = false")  # a line has its number
        con.execute(queries.read_sql("readers/macros"))
        con.register("unparsed_lines", unparsed(batches))
        return parsed_lines(con)
