"""Every check passes on a sound day, and fails where its violation is planted in storage."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from deltalake.transaction import AddAction

from ft_assets import engine, flags, schemas
from ft_assets.checks import Check, checks, parameters_of, run_check
from ft_assets.encoders import load_encoder
from ft_assets.lake import Lake
from ft_assets.reports import CheckOutcome
from ft_assets.rules import rulebook
from ft_assets_tests.builders import (
    DAY,
    NEXT_DAY,
    at_noon,
    event,
    flag,
    ingested_file,
    inputs,
    item,
    make_lake,
    pair,
    part,
    rejected,
    session,
    table_of,
    text_hash,
    vector,
    waiting,
)

Row = dict[str, Any]
Rows = list[Row]
NAN = float("nan")
NOW, LONG_AGO = dt.datetime.now(dt.UTC), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)  # what waits is compared with the clock
LOG_FILE, UBI_FILE = "embedding_studio/a.ndjson", "ubi/a.ndjson"
WINDOW = {"min_abs_difference_threshold": 0.0, "max_abs_difference_threshold": 10.0}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A sound day, made as the assets make it: parts, a thinned session, irrelevant ones, flagged ones."""
    shown = ["a1", "b", "a2", "c", "d", "e"]
    sessions = [session("s1", shown), session("s2", shown[1:]), session("s3", ["e", "f"])]
    # Enough of them that one may be flagged in shadow mode and one be left out.
    sessions += [session(f"t{n:02}", ["e", "f"], user_agent="" if n else "A Spider") for n in range(28)]
    # One shows something without a text, on which its only click fell; the lists of the day are long enough for one such.
    sessions += [session("t28", ["e", "no text"]), session("z of the next day", ["e"], day=NEXT_DAY)]
    events = [event("t28", "no text"), event("s1", "a2"), event("s2", "c"), event("t01", "e"), event("t01", "f")]
    lake = make_lake(
        tmp_path_factory.mktemp("sound"),
        search_sessions=table_of("search_sessions", sessions),
        session_events=table_of("session_events", events),
        items=table_of("items", [item(name, None, name[0]) for name in [*shown, "f"]]),
        waiting_records=table_of("waiting_records", [waiting("s9", "a1", ingested_at=NOW)]),
        session_parts=table_of("session_parts", [part("u1", ingested_at=NOW)]),
        ingested_files=table_of(
            "ingested_files",
            [
                ingested_file(
                    LOG_FILE, fates={"accepted": {"sessions": len(sessions), "events": len(events), "waiting events": 1}}
                ),
                ingested_file(UBI_FILE, fates={"accepted": {"queries": 1}, "no_interest": {"filter": 2}}, headers=3, lines=6),
                ingested_file("items/a.ndjson", fates={"accepted": {"items": 7}, "duplicate": {"items": 1}}),
            ],
        ),
    )
    encoder, items = load_encoder("hashing:32"), lake.slice("items")

    def keep(name: str, made: engine.DayRows, **configuration: Any) -> Any:
        facts = {"session_date": str(DAY), "made_from": made.made_from, "configuration": configuration, "model": made.model}
        facts = {key: value for key, value in facts.items() if value is not None}
        lake.replace_day(name, DAY, made.batches, facts)
        return lake.slice(name, DAY)

    log = lake.slice("search_sessions", DAY), lake.slice("session_events")
    rules = rulebook(["listed_agent"], {"every_result_clicked": {"results": 2}}, agents=["spider"])
    flagged = keep("flagged_sessions", flags.flagged_sessions(*log, rules))
    made = keep("fine_tuning_inputs", engine.fine_tuning_inputs(*log, items, flagged, ["click"]), event_types=["click"])
    made = keep("sampled_inputs", engine.sampled_inputs(made, 0.5, 0), negative_downsampling_factor=0.5, seed=0)
    facts = {"session_date": str(DAY), "made_from": {}, "configuration": {}, "model": encoder.fingerprint}
    engine.text_vectors(lake, made, items, encoder, facts)
    settings = engine.PairSettings(confidence="windowed", not_irrelevant_only=False)
    made = engine.pair_features(made, items, lake.slice("text_vectors"), encoder.fingerprint, settings)
    made = keep("pair_features", made, ranker="cosine", not_irrelevant_only=False)
    keep("fine_tuning_features", engine.fine_tuning_features(made, *WINDOW.values()), **WINDOW)
    return lake


@pytest.fixture
def lake(template: Lake, tmp_path: Path) -> Lake:
    shutil.copytree(template.root, tmp_path / "lake")
    return Lake(str(tmp_path / "lake"))


def outcome_of(lake: Lake, check: Check) -> CheckOutcome:
    day = DAY if schemas.TABLES[check.table].daily else None
    return run_check(lake, check, day, parameters_of(lake, check.table, day))


def store(lake: Lake, name: str, rows: pa.Table) -> None:
    """Overwrite a table past the lake's own guards, its schema included."""
    write_deltalake(
        lake.open(name), rows, mode="overwrite", schema_mode="overwrite", partition_by=list(schemas.TABLES[name].partition_by)
    )


@dataclass(frozen=True)
class Plant:
    """A violation of one check: what becomes of a table's rows, and which other checks of the check's table see it too.

    The table that is spoilt is the check's own, unless ``of`` names one that it reads.
    """

    check: str
    spoil: Callable[[Rows], Rows]
    also: tuple[str, ...] = ()
    blocking: bool = True
    of: str = ""

    @property
    def table(self) -> str:
        return self.check.split("/")[0]


def first(**values: Any) -> Callable[[Rows], Rows]:
    """Other values in the first row that stands for the test's eye: s1's, where there is one."""

    def spoil(rows: Rows) -> Rows:
        rows = sorted(rows, key=lambda row: str(row.get("session_id", "")))
        return [rows[0] | {k: v(rows[0][k]) if callable(v) else v for k, v in values.items()}, *rows[1:]]

    return spoil


def more(*added: Row) -> Callable[[Rows], Rows]:
    return lambda rows: [*rows, *added]


def again(rows: Rows) -> Rows:
    return [*rows, rows[0]]


def last_null(values: list[Any]) -> list[Any]:
    return [*values[:-1], None]


OTHER_PAIR = pair("s1", "a", "a", query_hash=text_hash("query of s1"))
COPY = ingested_file("ubi/b.ndjson", content=ingested_file(UBI_FILE)["content"], copy_of=UBI_FILE)
FEATURES_ALSO = ("pairs_come_from_pair_features",)
NAN_ALSO = ("values_are_in_range", *FEATURES_ALSO)
NO_RANK = ("required_values_are_there", "pairs_are_inside_the_window", *FEATURES_ALSO)

PLANTS = [
    Plant("search_sessions/required_values_are_there", first(query_text=None)),
    Plant("search_sessions/date_is_of_started_at", first(started_at=at_noon(NEXT_DAY))),
    Plant("search_sessions/date_is_of_started_at", first(started_at=dt.datetime(2026, 11, 1, 23, 59, 59, tzinfo=dt.UTC))),
    Plant("search_sessions/sessions_are_unique", again),
    Plant("search_sessions/sessions_are_unique", more(session("s1", ["z"], day=NEXT_DAY))),
    Plant("session_events/required_values_are_there", first(event_type=None)),
    Plant("session_events/events_are_unique", again),
    Plant("session_events/sessions_are_known", more(event("lost", "a"))),
    Plant("session_events/items_were_shown", more(event("s1", "f")), blocking=False),
    Plant("rejected_records/required_values_are_there", more(rejected(raw=None)), ("nothing_is_rejected",)),
    Plant("rejected_records/nothing_is_rejected", more(rejected()), blocking=False),
    Plant("rejected_records/records_are_unique", more(rejected(), rejected(reason="unknown_record")), ("nothing_is_rejected",)),
    Plant("waiting_records/required_values_are_there", first(raw=None)),
    Plant("waiting_records/events_wait_once", again),
    Plant("waiting_records/events_wait_once", more(waiting("s1", "a2", ingested_at=NOW))),  # it is an event already
    Plant("waiting_records/nothing_waits_for_long", first(ingested_at=LONG_AGO), blocking=False),
    Plant("session_parts/required_values_are_there", first(source_file=None)),
    Plant("session_parts/sessions_become_whole", first(ingested_at=LONG_AGO), blocking=False),
    Plant("ingested_files/required_values_are_there", more(COPY | {"format": None})),
    *(Plant("ingested_files/records_are_accounted_for", more(COPY | values))
      for values in (
          {"records": 1},  # read, and nowhere
          {"duplicate": 1},  # somewhere, and never read
          {"records": 1, "duplicate": 1},  # of no kind
          {"records": 1, "accepted": 1},
          {"records": 1, "no_interest": 1},
          {"records": 1, "rejected": 1},
          {"lines": 2, "blank": 1},  # a line that holds nothing
          {"fates": [{"fate": "rejected", "kind": "not_json", "records": 1}]},
      )),
    Plant("ingested_files/files_are_unique", more(COPY, COPY)),
    Plant("ingested_files/files_are_unique", more(COPY | {"copy_of": None})),  # a known content, read again
    Plant("ingested_files/rows_agree_with_the_books", lambda rows: [row for row in rows if row["source_file"] != LOG_FILE]),
    Plant("ingested_files/rows_agree_with_the_books", more(ingested_file("ubi/b.ndjson", fates={"rejected": {"not_json": 1}}))),
    *(Plant("ingested_files/rows_agree_with_the_books", more(ingested_file("ubi/b.ndjson", **{count: 1})))
      for count in ("sessions", "events", "waiting", "forgotten_sessions", "forgotten_records")),
    Plant("items/required_values_are_there", first(source_file=None)),
    Plant("items/hash_is_of_text", first(text="another")),
    Plant("items/hash_is_of_text", first(text_hash=text_hash("another"))),
    Plant("items/items_are_unique", again),
    Plant("flagged_sessions/required_values_are_there", first(detail=None)),
    Plant("flagged_sessions/flags_are_unique", again),
    Plant("flagged_sessions/sessions_are_of_the_day", more(flag("unknown"))),
    Plant("flagged_sessions/sessions_are_of_the_day", more(flag("z of the next day"))),
    Plant("flagged_sessions/few_sessions_are_flagged", more(flag("s2"), flag("s3", is_enforced=True)), blocking=False),
    Plant("fine_tuning_inputs/enforced_sessions_are_left_out", more(inputs("t00", ["b"]))),
    Plant("fine_tuning_inputs/required_values_are_there", first(query_text=None)),
    Plant("fine_tuning_inputs/irrelevant_means_no_event", first(clicked=lambda c: [False] * len(c))),
    Plant("fine_tuning_inputs/irrelevant_means_no_event", first(is_irrelevant=True)),
    Plant("fine_tuning_inputs/irrelevant_means_no_event", lambda rows: [row | {"is_irrelevant": False} for row in rows]),
    # Something was removed of it, but no event fell on that.
    Plant("fine_tuning_inputs/irrelevant_means_no_event",
          lambda rows: [row | ({"item_ids": ["f"], "object_ids": ["f"], "ranks": [None], "clicked": [False],
                                "event_weight": [0.0], "is_irrelevant": False} if row["session_id"] == "t05" else {})
                        for row in rows]),
    *(Plant("fine_tuning_inputs/lists_are_aligned", first(**{name: lambda v: v[:-1]}))
      for name in ("item_ids", "object_ids", "ranks", "event_weight")),
    Plant("fine_tuning_inputs/lists_are_aligned", first(clicked=lambda v: [*v, True])),
    Plant("fine_tuning_inputs/lists_are_aligned", more(inputs("x", []))),
    *(Plant("fine_tuning_inputs/lists_hold_no_nulls", first(**{name: last_null}))
      for name in ("object_ids", "clicked", "event_weight", "item_ids")),
    Plant("fine_tuning_inputs/lists_hold_no_nulls", first(ranks=lambda v: [*v[:-1], NAN])),
    Plant("fine_tuning_inputs/lists_hold_no_nulls", first(ranks=lambda v: [*v[:-1], float("inf")])),
    Plant("fine_tuning_inputs/results_are_unique", first(item_ids=lambda v: [v[1], *v[1:]])),
    Plant("fine_tuning_inputs/results_have_texts",
          lambda rows: [row for row in rows if row["item_id"] not in ("c", "d")], blocking=False, of="items"),
    Plant("sampled_inputs/required_values_are_there", first(query_text=None)),
    Plant("sampled_inputs/lists_are_aligned", first(kept=lambda v: [*v, True])),
    Plant("sampled_inputs/lists_are_aligned", first(kept=last_null)),
    Plant("sampled_inputs/objects_stay_whole", first(kept=lambda v: [False, *v[1:]])),
    Plant("sampled_inputs/objects_stay_whole", first(kept=lambda v: [False, v[1], False, *v[3:]])),
    Plant("sampled_inputs/sessions_are_all_there", lambda rows: rows[1:]),
    Plant("sampled_inputs/sessions_are_all_there", first(query_hash="another")),
    Plant("sampled_inputs/sessions_are_all_there", first(is_irrelevant=True)),
    Plant("sampled_inputs/sessions_are_all_there", first(clicked=lambda v: [not v[0], *v[1:]])),
    Plant("sampled_inputs/texts_are_known", first(item_ids=lambda v: ["unseen", *v[1:]]), ("sessions_are_all_there",)),
    Plant("text_vectors/required_values_are_there", more(vector("x", role=None))),  # type: ignore[arg-type]
    Plant("text_vectors/every_text_has_a_vector", lambda rows: [r for r in rows if r["text_hash"] != text_hash("text of b")]),
    Plant("text_vectors/every_text_has_a_vector", lambda rows: [row | {"role": "item"} for row in rows]),
    Plant("text_vectors/every_text_has_a_vector", lambda rows: [row | {"model": "another"} for row in rows]),
    *(Plant("text_vectors/vectors_are_sound", first(vector=spoil))
      for spoil in (
          lambda v: v[:-1],
          lambda v: [NAN, *v[1:]],
          lambda v: [float("-inf"), *v[1:]],
          lambda v: [0.0] * len(v),
          last_null,
          lambda v: [],
      )),
    Plant("text_vectors/vectors_are_sound", lambda rows: [row | {"vector": []} for row in rows]),
    Plant("pair_features/required_values_are_there", first(query_hash=None)),
    Plant("pair_features/rows_rebuild_fine_tuning_features", first(positive_rank=None), ("required_values_are_there",)),
    Plant("pair_features/rows_rebuild_fine_tuning_features", first(target=None), ("required_values_are_there",)),
    Plant("pair_features/pairs_are_unique",
          lambda rows: [*rows, next(row for row in rows if row["pairing"] == "session") | {"positive_rank": 0.0}]),
    *(Plant("pair_features/pairs_stand_on_their_sessions", more(OTHER_PAIR | values))
      for values in (
          {"negative_id": "a"},  # clicked
          {"positive_id": "b", "negative_id": "c"},  # not clicked
          {"negative_id": "never shown"},
          {"session_id": "unknown", "negative_id": "b"},
          {"session_id": "s3", "positive_id": "e", "negative_id": "f"},  # irrelevant
          {"negative_id": "b", "pairing": "irrelevant"},  # of no irrelevant session
      )),
    *(Plant(f"{table}/values_are_in_range", first(**values), also)
      for table, also in (("pair_features", ()), ("fine_tuning_features", FEATURES_ALSO))
      for values in (
          {"positive_confidence": 1.5},
          {"negative_confidence": -0.25},
          {"positive_confidence": NAN},
          {"target": 0},
          {"pairing": "guess"},
      )),
    *(Plant("pair_features/values_are_in_range", first(**{name: value}))
      for name in ("positive_rank", "negative_rank") for value in (NAN, float("inf"))),
    Plant("fine_tuning_features/required_values_are_there", first(query_hash=None), FEATURES_ALSO),
    Plant("fine_tuning_features/rows_rebuild_fine_tuning_features", first(negative_rank=None), NO_RANK),
    Plant("fine_tuning_features/pairs_are_inside_the_window", first(positive_rank=0.5, negative_rank=0.5), FEATURES_ALSO),
    Plant("fine_tuning_features/pairs_are_inside_the_window", first(positive_rank=10.5, negative_rank=0.5), FEATURES_ALSO),
    Plant("fine_tuning_features/pairs_are_inside_the_window", first(positive_rank=NAN), NAN_ALSO),
    Plant("fine_tuning_features/pairs_come_from_pair_features", lambda rows: rows[1:]),
    Plant("fine_tuning_features/pairs_come_from_pair_features", again),
    Plant("fine_tuning_features/pairs_come_from_pair_features", first(positive_confidence=0.125)),
]  # fmt: skip

# A stored type that can be read as the declared one, so that nothing else breaks: column -> type.
OTHER_TYPES = {
    "search_sessions": ("results", pa.list_(pa.struct([("item_id", pa.string()), ("rank", pa.float64())]))),
    "session_events": ("event_type", pa.int64()),
    "waiting_records": ("record_number", pa.int32()),
    "session_parts": ("query_text_place", pa.int64()),
    "ingested_files": ("bytes", pa.int32()),
    "rejected_records": ("record_number", pa.int32()),
    "items": ("object_id", pa.int64()),
    "flagged_sessions": ("is_enforced", pa.int32()),
    "fine_tuning_inputs": ("ranks", pa.list_(pa.float64())),
    "sampled_inputs": ("event_weight", pa.list_(pa.float64())),
    "text_vectors": ("vector", pa.list_(pa.float64())),
    "pair_features": ("target", pa.int64()),
    "fine_tuning_features": ("positive_rank", pa.float64()),
}


def named(check: str) -> Check:
    return next(found for found in checks() if f"{found.table}/{found.name}" == check)


def failed(lake: Lake, table: str) -> dict[str, CheckOutcome]:
    outcomes = [outcome_of(lake, check) for check in checks() if check.table == table]
    return {outcome.check: outcome for outcome in outcomes if not outcome.passed}


def test_every_check_has_a_planted_violation() -> None:
    planted = {plant.check for plant in PLANTS} | {f"{table}/types_are_as_declared" for table in OTHER_TYPES}
    assert planted == {f"{check.table}/{check.name}" for check in checks()}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.check)
def test_a_planted_violation_fails_its_check_and_is_shown(lake: Lake, plant: Plant) -> None:
    spoilt = plant.of or plant.table
    before = lake.slice(spoilt).to_table()
    store(lake, spoilt, pa.Table.from_pylist(plant.spoil(before.to_pylist()), schema=before.schema))
    found, name = failed(lake, plant.table), plant.check.split("/")[1]
    assert set(found) == {name, *plant.also}
    outcome = found[name]
    assert (outcome.rows or 0) >= 1
    assert 1 <= len(outcome.examples) <= 5
    assert outcome.blocking == named(plant.check).blocking == plant.blocking
    assert outcome.state == ("failed" if plant.blocking else "warned")


@pytest.mark.parametrize("table", OTHER_TYPES)
def test_another_stored_type_fails_the_check_of_types_alone(lake: Lake, table: str) -> None:
    column, type_ = OTHER_TYPES[table]
    rows = lake.slice(table).to_table()
    place = rows.schema.get_field_index(column)
    if type_ == pa.int64() and rows.schema.field(column).type == pa.string():
        rows = rows.set_column(place, column, pa.array(range(len(rows)), type_))
    else:
        rows = rows.set_column(place, column, rows[column].cast(type_))
    store(lake, table, rows)
    found = failed(lake, table)
    assert set(found) == {"types_are_as_declared"}
    declared, stored = (schemas.type_name(t) for t in (schemas.TABLES[table].schema.field(column).type, type_))
    assert {(row["column"], row["declared"], row["stored"]) for row in found["types_are_as_declared"].examples} == {
        (column, declared, stored)
    }
    assert "log" in {row["where"] for row in found["types_are_as_declared"].examples}


def test_a_file_of_another_type_than_its_log_is_seen_and_named(lake: Lake) -> None:
    rows = lake.slice("pair_features", DAY).to_table()
    place, name = rows.schema.get_field_index("target"), f"session_date={DAY}/planted.parquet"
    path = Path(lake.uri("pair_features")) / name
    pq.write_table(rows.set_column(place, "target", rows["target"].cast(pa.int64())).drop_columns(["session_date"]), path)
    planted = AddAction(name, path.stat().st_size, {"session_date": str(DAY)}, 0, True, json.dumps({"numRecords": len(rows)}))
    delta = lake.open("pair_features")
    delta.create_write_transaction([planted], "append", delta.schema(), ["session_date"])
    (example,) = outcome_of(lake, named("pair_features/types_are_as_declared")).examples
    assert (example["column"], example["declared"], example["stored"]) == ("target", "int8", "int64")
    assert "planted.parquet" in example["where"]


def test_a_table_that_lacks_a_column_is_not_checked_but_refused(lake: Lake) -> None:
    rows = lake.slice("items").to_table().drop_columns(["object_id"])
    store(lake, "items", rows)
    with pytest.raises(ValueError, match="it lacks object_id: another version of ft_assets made it"):
        outcome_of(lake, named("items/types_are_as_declared"))


def doubled(rows: Rows) -> Rows:
    return [*rows, dict(rows[0])]


@pytest.mark.parametrize("spoil", [lambda rows: rows[1:], doubled], ids=["lost", "doubled"])
@pytest.mark.parametrize("table", ["search_sessions", "session_events", "waiting_records", "rejected_records"])
def test_a_row_of_the_log_lost_or_doubled_disagrees_with_the_books(
    lake: Lake, table: str, spoil: Callable[[Rows], Rows]
) -> None:
    if table == "rejected_records":
        lake.append(table, table_of(table, [rejected(source_file="ubi/b.ndjson")]), {})
        account = ingested_file("ubi/b.ndjson", fates={"rejected": {"not_json": 1}})
        lake.append("ingested_files", table_of("ingested_files", [account]), {})
    assert failed(lake, "ingested_files") == {}
    before = lake.slice(table).to_table()
    store(lake, table, pa.Table.from_pylist(spoil(before.to_pylist()), schema=before.schema))
    found = failed(lake, "ingested_files")
    assert set(found) == {"rows_agree_with_the_books"}
    assert found["rows_agree_with_the_books"].state == "failed"


@pytest.mark.parametrize("check", checks(), ids=lambda check: f"{check.table}/{check.name}")
def test_a_sound_day_passes(template: Lake, check: Check) -> None:
    outcome = outcome_of(template, check)
    assert (outcome.passed, outcome.rows, outcome.examples, outcome.state) == (True, 0, [], "passed")
    assert outcome.description == check.description != ""
    assert (outcome.table, outcome.check) == (check.table, check.name)


def test_the_sound_day_is_not_empty(template: Lake) -> None:
    for name in set(schemas.TABLES) - {"rejected_records"}:
        assert template.slice(name).row_count > 0, name
    assert set(template.slice("pair_features").to_table()["pairing"].to_pylist()) == {"session", "irrelevant"}


def test_empty_tables_pass(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    for check in checks():
        parameters = {"min": 0.0, "max": 1.0, "model": "m"}
        assert run_check(lake, check, DAY if schemas.TABLES[check.table].daily else None, parameters).passed


def test_a_check_of_a_day_does_not_see_another_day(lake: Lake) -> None:
    lake.replace_day(
        "pair_features", NEXT_DAY, table_of("pair_features", [pair(session_date=NEXT_DAY, target=0)]).to_batches, {}
    )
    check = named("pair_features/values_are_in_range")
    assert run_check(lake, check, DAY, {}).passed
    outcome = run_check(lake, check, NEXT_DAY, {})
    assert (outcome.passed, outcome.rows, outcome.session_date) == (False, 1, NEXT_DAY.isoformat())


def test_a_check_of_what_was_never_made_says_so(tmp_path: Path) -> None:
    lake, check = make_lake(tmp_path), named("fine_tuning_features/pairs_are_inside_the_window")
    assert parameters_of(lake, check.table, DAY) == {}
    with pytest.raises(ValueError, match="needs max, min; materialize fine_tuning_features first"):
        run_check(lake, check, DAY, {})


def test_the_window_checked_is_the_one_that_the_day_was_made_with(lake: Lake, template: Lake) -> None:
    assert parameters_of(lake, "fine_tuning_features", DAY) == {"min": 0.0, "max": 10.0}
    facts = {"session_date": str(DAY), "made_from": "{}", "configuration": json.dumps(WINDOW | {
        "max_abs_difference_threshold": 1e-6})}  # fmt: skip
    rows = template.slice("fine_tuning_features", DAY).to_table()
    lake.replace_day("fine_tuning_features", DAY, rows.to_batches, facts)
    outcome = outcome_of(lake, named("fine_tuning_features/pairs_are_inside_the_window"))
    assert (outcome.passed, outcome.rows) == (False, rows.num_rows)


def test_more_violations_than_can_be_shown_are_counted(lake: Lake) -> None:
    lake.append("rejected_records", table_of("rejected_records", [rejected(n, reason=f"r{n}") for n in range(1, 9)]), {})
    outcome = outcome_of(lake, named("rejected_records/nothing_is_rejected"))
    assert (outcome.rows, len(outcome.examples)) == (8, 5)
