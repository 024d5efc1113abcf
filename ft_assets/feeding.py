"""Feed a writer from a thread of its own.

The Delta writer pulls batches on a thread of its own runtime, from which no other Delta table may be read; rows that
are made from tables therefore come from another thread, a few batches ahead of the writer and no more.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType

import pyarrow as pa

from ft_assets.schemas import Table

AHEAD = 2
RELEASE_SECONDS = 5.0


class Feed:
    """The batches of a table, made on a thread of their own.

    Attributes:
        rows: rows handed over so far.
        error: what went wrong while making them; the writer only sees that its input ended badly.

    Example:
        >>> from ft_assets.schemas import ITEMS
        >>> with Feed(ITEMS, lambda: [ITEMS.empty()]) as feed:
        ...     feed.reader.read_all().num_rows
        0
    """

    def __init__(self, table: Table, make: Callable[[], Iterable[pa.RecordBatch]]) -> None:
        self.rows = 0
        self.error: BaseException | None = None
        self._table, self._make = table, make
        self._queue: queue.Queue[pa.RecordBatch | None] = queue.Queue(AHEAD)
        self._given_up = threading.Event()
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._fill, name=f"feed-{table.name}", daemon=True)

    def __enter__(self) -> Feed:
        self._thread.start()
        source = _Source(self._batches())
        weakref.finalize(source, self._released.set)
        self.reader = pa.RecordBatchReader.from_batches(self._table.schema, source)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop the thread; if making the rows failed, raise that in place of what the writer made of it.

        The writer lets go of the reader on a thread of its own, a moment after it has written. A process that ends in between
        is aborted, its work done: so that moment is waited for.
        """
        self._given_up.set()
        del self.reader
        if error is None:
            self._released.wait(RELEASE_SECONDS)
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        if self.error is not None:
            raise self.error

    def _fill(self) -> None:
        try:
            for batch in self._make():
                for piece in batch.to_batches() if isinstance(batch, pa.Table) else [batch]:
                    if self._given_up.is_set():
                        return
                    self._queue.put(conform(piece, self._table))
        except BaseException as error:
            self.error = error
        finally:
            if not self._given_up.is_set():
                self._queue.put(None)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while (batch := self._queue.get()) is not None:
            self.rows += batch.num_rows
            yield batch
        if self.error is not None:
            raise RuntimeError("the rows could not be made")  # the writer must not commit what came so far


class _Source:
    """An iterator that can be watched: when nothing holds it any more, the reader made of it is gone."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        return next(self._batches)


def conform(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    """The batch with the table's columns in their order and types.

    Raises:
        ValueError: a column is missing, one is too many, or a value does not fit its type.
    """
    check_columns(batch, table)
    try:
        return batch.select(table.column_names).cast(table.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"rows do not fit {table.name}: {error}") from error


def check_columns(batch: pa.RecordBatch, table: Table) -> None:
    """Hold a batch to the table's columns, in any order.

    Raises:
        ValueError: a column is missing, or one is too many.
    """
    if set(batch.schema.names) != set(table.column_names):
        raise ValueError(f"{table.name} has the columns {table.column_names}, got {batch.schema.names}")
