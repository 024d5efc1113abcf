"""The join on codes gives what plain loops over each session give, and its books add up."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_assets.joining import Catalogue, events_of, join_sessions
from ft_assets.schemas import DATE, RESULT, STRING, TIMESTAMP

LOGGED = pa.schema(
    {
        "session_id": STRING,
        "session_date": DATE,
        "query_text": STRING,
        "query_hash": STRING,
        "started_at": TIMESTAMP,
        "results": pa.list_(RESULT),
        "marked_irrelevant": pa.bool_(),
        "events": pa.list_(pa.struct([("item_id", STRING), ("is_positive", pa.bool_())])),
    }
)
OBJECTS = {"a1": "a", "a2": "a", "b": "b", "c": "c", "d": "d"}  # "x" and "y" have no text
CATALOGUE = Catalogue(pa.array(list(OBJECTS)), pa.array(list(OBJECTS.values())))
Row = dict[str, Any]


def logged(number: int, rng: random.Random) -> Row:
    names = [*OBJECTS, "x", "y", None]
    shown = [{"item_id": rng.choice(names), "rank": rng.choice([None, 0.5, 2.0])} for _ in range(rng.randrange(7))]
    events = [
        {"item_id": rng.choice([*names, "never shown"]), "is_positive": rng.random() < 0.5} for _ in range(rng.randrange(4))
    ]
    return {
        "session_id": f"s{number}", "session_date": dt.date(2026, 11, 1), "query_text": "q", "query_hash": "h",
        "started_at": dt.datetime(2026, 11, 1, tzinfo=dt.UTC), "results": shown, "marked_irrelevant": rng.random() < 0.2,
        "events": events,
    }  # fmt: skip


def joined(row: Row) -> Row | None:
    """A session by plain loops."""
    ranks: dict[str | None, float | None] = {}
    for result in row["results"]:
        ranks.setdefault(result["item_id"], result["rank"])
    drew = {event["item_id"] for event in row["events"] if event["is_positive"] and event["item_id"] is not None}
    items = [item for item in ranks if item in OBJECTS]
    if not items:
        return None
    return {
        **{name: row[name] for name in ("session_id", "session_date", "query_text", "query_hash", "started_at")},
        "item_ids": items,
        "object_ids": [OBJECTS[item] for item in items],
        "ranks": [ranks[item] for item in items],
        "clicked": [item in drew for item in items],
        "event_weight": [float(item in drew) for item in items],
        "is_irrelevant": row["marked_irrelevant"] or not drew & set(ranks),
    }


def test_a_batch_is_joined_as_plain_loops_join_it() -> None:
    rng = random.Random(0)
    for size in (0, 1, 7, 200):
        rows = [logged(number, rng) for number in range(size)]
        made, *_ = join_sessions(pa.RecordBatch.from_pylist(rows, schema=LOGGED), CATALOGUE)
        assert made.to_pylist() == [row for row in map(joined, rows) if row]


def test_a_batch_is_its_parts_joined_and_their_books_added() -> None:
    rng = random.Random(1)
    batch = pa.RecordBatch.from_pylist([logged(number, rng) for number in range(60)], schema=LOGGED)
    whole, books, _ = join_sessions(batch, CATALOGUE)
    parts = [join_sessions(batch.slice(start, 7), CATALOGUE) for start in range(0, 60, 7)]
    assert pa.Table.from_batches([rows for rows, *_ in parts]).to_pylist() == whole.to_pylist()
    assert {name: sum(of_part[name] for _, of_part, _ in parts) for name in books} == books


def test_the_books_reconcile_with_the_rows() -> None:
    rng = random.Random(2)
    rows = [logged(number, rng) for number in range(300)]
    made, books, _ = join_sessions(pa.RecordBatch.from_pylist(rows, schema=LOGGED), CATALOGUE)
    assert len(rows) == made.num_rows + books["sessions_without_results"] + books["sessions_without_texts"]
    ready = books["results_shown"] - books["results_repeated"] - books["results_without_text"]
    assert ready == len(made["item_ids"].flatten())
    assert books["results_repeated"] == sum(len(r["results"]) - len({s["item_id"] for s in r["results"]}) for r in rows)
    positive = [(r, e["item_id"]) for r in rows for e in r["events"] if e["is_positive"]]
    outside = [item for r, item in positive if item is None or item not in {s["item_id"] for s in r["results"]}]
    assert (books["positive_events"], books["positive_events_outside_their_list"]) == (len(positive), len(outside))
    without = [item for r, item in positive if item in {s["item_id"] for s in r["results"]} - {None} and item not in OBJECTS]
    assert books["positive_events_without_text"] == len(without)


def test_without_a_catalogue_no_session_is_left() -> None:
    rng = random.Random(3)
    batch = pa.RecordBatch.from_pylist([logged(number, rng) for number in range(9)], schema=LOGGED)
    nothing = Catalogue.of(pa.table({"item_id": pa.array([], STRING), "object_id": pa.array([], STRING)}))
    assert join_sessions(batch, nothing)[0].num_rows == 0


def test_ids_as_codes_are_joined_as_words_are() -> None:
    rng = random.Random(4)
    batch = pa.RecordBatch.from_pylist([logged(number, rng) for number in range(60)], schema=LOGGED)
    results, events = batch["results"], batch["events"]
    ids = results.flatten().field("item_id").dictionary_encode()
    of_events = pc.index_in(events.flatten().field("item_id"), value_set=ids.dictionary)
    coded = {
        "results": [ids, results.flatten().field("rank")],
        "events": [pa.DictionaryArray.from_arrays(of_events, ids.dictionary), events.flatten().field("is_positive")],
    }
    for name, children in coded.items():
        values = pa.StructArray.from_arrays(children, batch[name].type.value_type.names)
        of_codes = pa.ListArray.from_arrays(batch[name].offsets, values)
        batch = batch.set_column(batch.schema.get_field_index(name), name, of_codes)
    rows, books, clicks = join_sessions(batch, CATALOGUE)
    words = pa.RecordBatch.from_pylist(batch.to_pylist(), schema=LOGGED)
    assert books == join_sessions(words, CATALOGUE)[1]
    assert clicks.tolist() == join_sessions(words, CATALOGUE)[2].tolist()
    assert rows.to_pylist() == join_sessions(words, CATALOGUE)[0].to_pylist()
    half = join_sessions(batch.slice(30), CATALOGUE)[0]
    assert half.to_pylist() == join_sessions(words.slice(30), CATALOGUE)[0].to_pylist()


def test_each_session_gets_its_events_and_no_other() -> None:
    rng = random.Random(5)
    names = ["a", "b", "c"]
    for sessions, events in ((0, 0), (0, 5), (5, 0), (40, 200)):
        ids = [f"s{rng.randrange(30)}" for _ in range(sessions)]  # an id may come twice: each has all of its events
        rows = [
            {
                "session_id": rng.choice([f"s{rng.randrange(60)}", None]),
                "item_id": rng.choice([*names, "never shown", None]),
                "is_positive": rng.random() < 0.5,
            }
            for _ in range(events)
        ]
        schema = pa.schema({"session_id": STRING, "item_id": STRING, "is_positive": pa.bool_()})
        found = events_of(
            pa.chunked_array([ids], STRING), pa.Table.from_pylist(rows, schema=schema), pa.chunked_array([names], STRING)
        )
        expected = [
            [
                {"item_id": row["item_id"] if row["item_id"] in names else None, "is_positive": row["is_positive"]}
                for row in rows
                if row["session_id"] == session_id
            ]
            for session_id in ids
        ]
        assert found.to_pylist() == expected
