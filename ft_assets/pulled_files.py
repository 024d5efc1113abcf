"""Rows of a database as lines of a landed file, the same bytes for the same rows."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from ft_assets.relations import Relation

LEVEL = 4  # a log shrinks nearly as well as with 9, in a fraction of the time
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def line_of(relation: Relation, row: str) -> bytes:
    """A row, one JSON object as the database wrote it, as a line of its format: keys in a fixed order, no nulls.

    A row that cannot be read as JSON here is landed as it is: the ingestion rejects it, and keeps it.
    """
    try:
        record = {key: value for key, value in json.loads(row).items() if value is not None}
        if "search_results" in record:
            record["search_results"] = _results(record["search_results"], relation.table.result_keys)
        try:
            return ENCODER.encode(record).encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can say and UTF-8 cannot
            return json.dumps(record, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return " ".join(row.splitlines()).encode("utf-8", "backslashreplace")


def _results(value: Any, keys: dict[str, str]) -> Any:
    """A list of objects or of ids, or the text of one, as the results of a landed session; anything else as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    if not isinstance(value, list):
        return value
    item, other, rank = keys.get("item_id", "item_id"), keys.get("item_id", "object_id"), keys.get("rank", "rank")
    results = []
    for entry in value:
        if isinstance(entry, dict):
            result = {"object_id": entry[item] if item in entry else entry.get(other)}
            if entry.get(rank) is not None:
                result["rank"] = entry[rank]
            results.append(result)
        else:
            results.append({"object_id": entry})
    return results


def row_hash(watermark: int, row: str) -> str:
    """Stands for a row in one state: a row that is changed and changed back is another, by its watermark."""
    return hashlib.md5(f"{watermark}\n{row}".encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


class PulledFile:
    """A file of lines that is being written, in a folder of its own; nothing of it depends on when and where.

    Args:
        folder: made for it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.path = folder / "lines"
        self.digest = hashlib.sha256()
        self.raw = self.path.open("wb")
        self.lines = gzip.GzipFile(filename="", mode="wb", fileobj=self.raw, compresslevel=LEVEL, mtime=0)

    def __enter__(self) -> PulledFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()
        self.raw.close()

    def write(self, line: bytes, hash_: str) -> None:
        """One more row."""
        self.lines.write(line + b"\n")
        self.digest.update(hash_.encode())

    def close(self, stem: str) -> str:
        """Finish it and name it by its rows: ``<stem>-<digest>.ndjson.gz``."""
        self.__exit__()
        # The bytes too: another version of the compressor writes others, and a landed name stands for its bytes.
        self.digest.update(hashlib.sha256(self.path.read_bytes()).digest())
        name = f"{stem}-{self.digest.hexdigest()[:16]}.ndjson.gz"
        self.path.rename(self.path.with_name(name))
        return name
