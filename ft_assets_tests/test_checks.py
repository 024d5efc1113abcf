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
from deltalake import ColumnProperties, WriterProperties, write_deltalake
from deltalake.transaction import AddAction

from ft_assets import engine, schemas
from ft_assets.checks import FACTS, TARGETS, Check, StoredTable, checks, parameters_of, run_check
from ft_assets.engine import PairSettings
from ft_assets.lake import Lake
from ft_assets.reports import CheckOutcome
from ft_assets_tests.builders import (
    DAY,
    NEXT_DAY,
    at_noon,
    event,
    flag,
    ingested_file,
    inputs,
    make_lake,
    pair,
    put_day,
    rejected,
    session,
    slice_of,
    table_of,
    text_hash,
    vector,
    waiting,
)
from ft_assets_tests.sound_day import LOG_FILE, NOW, UBI_FILE, WINDOW, sound_day
from ft_assets_tests.test_check_statistics import STATISTICAL

Row = dict[str, Any]
Rows = list[Row]
NAN = float("nan")
PERSONAL_WORDS = ("query of", "Spider", "{}")  # in the sound day: queries as typed, an agent, a raw line
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return sound_day(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def lake(template: Lake, tmp_path: Path) -> Lake:
    shutil.copytree(template.root, tmp_path / "lake")
    return Lake(str(tmp_path / "lake"))


def day_of(table: str) -> dt.date | None:
    return DAY if schemas.TABLES[table].daily else None


def outcome_of(lake: Lake, check: Check) -> CheckOutcome:
    return run_check(lake, check, day_of(check.table))


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
        rows = sorted(rows, key=lambda row: (str(row.get("session_id", "")), str(row)))  # storage keeps no order
        return [rows[0] | {k: v(rows[0][k]) if callable(v) else v for k, v in values.items()}, *rows[1:]]

    return spoil


def more(*added: Row) -> Callable[[Rows], Rows]:
    return lambda rows: [*rows, *added]


def every(**values: Any) -> Callable[[Rows], Rows]:
    return lambda rows: [row | values for row in rows]


def without_first(rows: Rows, pairing: str) -> Rows:
    gone = next(at for at, row in enumerate(rows) if row["pairing"] == pairing)
    return [row for at, row in enumerate(rows) if at != gone]


def again(rows: Rows) -> Rows:
    return [*rows, rows[0]]


def in_lists(change: Callable[[list[Any]], list[Any]]) -> Callable[[Rows], Rows]:
    """A change of all lists of the first row alike."""
    return first(**dict.fromkeys(("item_ids", "object_ids", "ranks", "clicked", "event_weight"), change))


def never_shown(rows: Rows) -> Rows:
    added = {"item_ids": "f", "object_ids": "f", "ranks": None, "clicked": False, "event_weight": 0.0}
    return first(**{name: lambda v, value=value: [*v, value] for name, value in added.items()})(rows)


def other_objects(rows: Rows) -> Rows:
    """As many objects stay, and other ones: the last unclicked one that went comes back for the first that stayed."""
    (row,) = (row for row in rows if row["session_id"] == "s2")
    unclicked = [place for place, click in enumerate(row["clicked"]) if not click]
    back = next(place for place in unclicked if not row["kept"][place])
    gone = next(place for place in unclicked if row["kept"][place])
    kept = [place == back or (stays and place != gone) for place, stays in enumerate(row["kept"])]
    return [row | {"kept": kept}, *(other for other in rows if other["session_id"] != "s2")]


def swapped(rows: Rows) -> Rows:
    return [row | {"positive_confidence": row["negative_confidence"], "negative_confidence": row["positive_confidence"]}
            for row in rows]  # fmt: skip


def last_null(values: list[Any]) -> list[Any]:
    return [*values[:-1], None]


OTHER_PAIR = pair("s1", "a", "a", query_hash=text_hash("query of s1"))
COPY = ingested_file("ubi/b.ndjson", content=ingested_file(UBI_FILE)["content"], copy_of=UBI_FILE)
FEATURES_ALSO = ("pairs_come_from_pair_features",)
NAN_ALSO = ("values_are_in_range", *FEATURES_ALSO)
SHOWN, LOWEST = ("lists_are_as_shown",), ("kept_are_the_lowest_hashes",)
ANEW, ONE = ("a_sample_is_computed_anew",), ("objects_have_one_rank",)
NO_RANK = ("required_values_are_there", "pairs_are_inside_the_window", *FEATURES_ALSO)

PLANTS = [
    Plant("search_sessions/required_values_are_there", first(query_text=None)),
    Plant("search_sessions/date_is_of_started_at", first(started_at=at_noon(NEXT_DAY))),
    Plant("search_sessions/date_is_of_started_at", first(started_at=dt.datetime(2026, 11, 1, 23, 59, 59, tzinfo=dt.UTC))),
    Plant("search_sessions/sessions_are_unique", again),
    Plant("search_sessions/sessions_are_unique", more(session("s1", ["z"], day=NEXT_DAY))),
    *(Plant("search_sessions/results_are_sound", first(results=spoil))
      for spoil in (
          lambda r: [{"item_id": None, "rank": None}, *r],
          lambda r: [{"item_id": "", "rank": None}, *r],
          lambda r: [r[0], *r],
          lambda r: [{**r[0], "rank": NAN}, *r[1:]],
          lambda r: [{**r[0], "rank": float("-inf")}, *r[1:]],
      )),
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
    Plant("session_parts/parts_are_unique", again),
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
    Plant("fine_tuning_inputs/enforced_sessions_are_left_out", more(inputs("t00", ["b"])), (*SHOWN, "sessions_reconcile")),
    Plant("fine_tuning_inputs/required_values_are_there", first(query_text=None), SHOWN),
    Plant("fine_tuning_inputs/irrelevant_means_no_event", first(clicked=lambda c: [False] * len(c)),
          ("clicks_agree_with_events", "weights_agree_with_clicks")),
    Plant("fine_tuning_inputs/irrelevant_means_no_event", first(is_irrelevant=True)),
    Plant("fine_tuning_inputs/irrelevant_means_no_event", lambda rows: [row | {"is_irrelevant": False} for row in rows]),
    # Something was removed of it, but no event fell on that.
    Plant("fine_tuning_inputs/irrelevant_means_no_event",
          lambda rows: [row | ({"item_ids": ["f"], "object_ids": ["f"], "ranks": [None], "clicked": [False],
                                "event_weight": [0.0], "is_irrelevant": False} if row["session_id"] == "t05" else {})
                        for row in rows], SHOWN),
    *(Plant("fine_tuning_inputs/lists_are_aligned", first(**{name: lambda v: v[:-1]}), also)
      for name, also in (("item_ids", SHOWN), ("object_ids", ()), ("ranks", SHOWN), ("event_weight", ()))),
    Plant("fine_tuning_inputs/lists_are_aligned", first(clicked=lambda v: [*v, True])),
    Plant("fine_tuning_inputs/lists_are_aligned", more(inputs("x", [])), ("sessions_reconcile",)),
    *(Plant("fine_tuning_inputs/lists_hold_no_nulls", first(**{name: last_null}), also)
      for name, also in (("object_ids", ()), ("clicked", ()), ("event_weight", ()), ("item_ids", SHOWN))),
    Plant("fine_tuning_inputs/lists_hold_no_nulls", first(ranks=lambda v: [*v[:-1], NAN]), SHOWN),
    Plant("fine_tuning_inputs/lists_hold_no_nulls", first(ranks=lambda v: [*v[:-1], float("inf")]), SHOWN),
    Plant("fine_tuning_inputs/results_are_unique", first(item_ids=lambda v: [v[1], *v[1:]]),
          (*SHOWN, "objects_are_the_catalogues")),
    *(Plant("fine_tuning_inputs/lists_are_as_shown", spoil)
      for spoil in (
          in_lists(lambda v: v[:3] + v[4:]),  # an unclicked result dropped
          in_lists(lambda v: v[::-1]),  # the page upside down
          first(ranks=lambda v: [0.123] * len(v)),
          first(query_hash=text_hash("query of s2")),
          first(query_text="another", query_hash=text_hash("another")),
          first(started_at=lambda t: t + dt.timedelta(hours=1)),
          never_shown,
          lambda rows: [row | ({"item_ids": ["e", "no text"], "object_ids": ["e", "x"], "ranks": [None, None],
                                "clicked": [False, True], "event_weight": [0.0, 1.0]} if row["session_id"] == "t28" else {})
                        for row in rows],
      )),
    Plant("fine_tuning_inputs/objects_are_the_catalogues", first(object_ids=lambda v: ["b", *v[1:]])),
    Plant("fine_tuning_inputs/sessions_reconcile", lambda rows: []),
    Plant("fine_tuning_inputs/results_have_texts",
          lambda rows: [row for row in rows if row["item_id"] not in ("c", "d")], blocking=False, of="items"),
    Plant("fine_tuning_inputs/sessions_are_unique", again),
    Plant("fine_tuning_inputs/sessions_reconcile", lambda rows: [row for row in rows if row["session_id"] != "t02"]),
    Plant("fine_tuning_inputs/sessions_reconcile", more(inputs("never logged", ["b"]))),
    Plant("fine_tuning_inputs/sessions_reconcile", more(inputs("z of the next day", ["e"]))),
    *(Plant("fine_tuning_inputs/clicks_agree_with_events", first(clicked=clicks, event_weight=[*map(float, clicks)]))
      for clicks in ([True, False, True, False, False, False], [False, True, False, False, False, False])),
    *(Plant("fine_tuning_inputs/weights_agree_with_clicks", first(event_weight=lambda w, new=new: [new, *w[1:]]))
      for new in (1.0, NAN, -1.0, 0.5)),
    Plant("sampled_inputs/required_values_are_there", first(query_text=None)),
    Plant("sampled_inputs/lists_are_aligned", first(kept=lambda v: [*v, True])),
    Plant("sampled_inputs/lists_are_aligned", first(kept=last_null), ("kept_count_is_as_asked",)),
    Plant("sampled_inputs/objects_stay_whole", first(kept=lambda v: [False, *v[1:]])),
    Plant("sampled_inputs/objects_stay_whole", first(kept=lambda v: [False, v[1], False, *v[3:]]), LOWEST),
    Plant("sampled_inputs/kept_are_the_lowest_hashes", other_objects),
    Plant("sampled_inputs/sessions_are_all_there", lambda rows: []),
    Plant("sampled_inputs/sessions_are_all_there", lambda rows: [], of="fine_tuning_inputs"),
    Plant("sampled_inputs/sessions_are_all_there", lambda rows: rows[1:]),
    Plant("sampled_inputs/sessions_are_all_there", first(query_hash="another")),
    Plant("sampled_inputs/sessions_are_all_there", first(is_irrelevant=True)),
    Plant("sampled_inputs/sessions_are_all_there", first(clicked=lambda v: [not v[0], *v[1:]])),
    Plant("sampled_inputs/texts_are_known", first(item_ids=lambda v: ["unseen", *v[1:]]), ("sessions_are_all_there",)),
    Plant("sampled_inputs/sessions_are_unique", again),
    *(Plant("sampled_inputs/sessions_are_all_there", first(**{name: value}))
      for name, value in {
          "ranks": lambda v: [0.25] * len(v), "event_weight": lambda v: [0.5, *v[1:]],
          "object_ids": lambda v: ["a", "b", "a", "c", "d", "g"], "started_at": at_noon(NEXT_DAY),
      }.items()),
    Plant("sampled_inputs/kept_count_is_as_asked", first(kept=lambda v: [True] * len(v)), LOWEST),
    Plant("sampled_inputs/kept_count_is_as_asked", first(kept=lambda v: [True, False, True, False, False, False]), LOWEST),
    Plant("text_vectors/texts_have_one_vector", again, blocking=False),
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
    Plant("text_vectors/vectors_are_sound", lambda rows: [row | {"vector": []} for row in rows],
          ("texts_have_vectors_of_their_own",)),
    Plant("text_vectors/texts_have_vectors_of_their_own", lambda rows: [row | {"vector": rows[0]["vector"]} for row in rows],
          blocking=False),
    Plant("pair_features/pairs_are_complete", lambda rows: without_first(rows, "session")),
    Plant("pair_features/irrelevant_pairs_are_as_designed", lambda rows: without_first(rows, "irrelevant")),
    Plant("pair_features/irrelevant_pairs_are_as_designed",
          lambda rows: [*rows, next(row for row in rows if row["pairing"] == "irrelevant")]),
    Plant("pair_features/pairs_stand_on_their_sessions", first(query_hash="another")),
    *(Plant(f"{table}/target_is_the_rankers", every(target=-1), also)
      for table, also in (("pair_features", ()), ("fine_tuning_features", ("pairs_come_from_pair_features",)))),
    Plant("pair_features/vectors_have_unit_length", first(vector=lambda v: [2 * x for x in v]), blocking=False,
          of="text_vectors"),
    Plant("pair_features/days_with_clicks_make_pairs", lambda rows: [],
          ("pairs_are_complete", "irrelevant_pairs_are_as_designed"), blocking=False),
    Plant("pair_features/required_values_are_there", first(query_hash=None)),
    Plant("pair_features/rows_rebuild_fine_tuning_features", first(positive_rank=None), ("required_values_are_there",)),
    Plant("pair_features/rows_rebuild_fine_tuning_features", first(target=None), ("required_values_are_there",)),
    Plant("pair_features/pairs_are_unique",
          lambda rows: [*rows, next(row for row in rows if row["pairing"] == "session") | {"positive_rank": 0.0}],
          ("pairs_are_complete", *ONE, *ANEW)),
    *(Plant("pair_features/pairs_stand_on_their_sessions", more(OTHER_PAIR | values),
            ("irrelevant_pairs_are_as_designed" if "pairing" in values else "pairs_are_complete", *also))
      for values, also in (
          ({"negative_id": "a"}, (*ONE, *ANEW)),  # clicked
          ({"positive_id": "b", "negative_id": "c"}, ANEW),  # not clicked
          ({"negative_id": "never shown"}, (*ONE, *ANEW)),
          ({"session_id": "unknown", "negative_id": "b"}, ()),
          ({"session_id": "s3", "positive_id": "e", "negative_id": "f"}, ()),  # irrelevant
          ({"negative_id": "b", "pairing": "irrelevant"}, ONE),  # of no irrelevant session
      )),
    *(Plant(f"{table}/values_are_in_range", first(**values), also if table == "pair_features" else FEATURES_ALSO)
      for table in ("pair_features", "fine_tuning_features")
      for values, also in (
          ({"positive_confidence": 1.5}, (*ONE, *ANEW)),
          ({"negative_confidence": -0.25}, ANEW),
          ({"positive_confidence": NAN}, ()),
          ({"target": 0}, ()),
          ({"pairing": "guess"}, ("pairs_are_complete",)),
      )),
    Plant("pair_features/objects_have_one_rank", first(positive_rank=0.123), ANEW),
    Plant("pair_features/objects_have_one_rank", swapped, ANEW),
    Plant("pair_features/objects_have_one_rank",
          lambda rows: [row | ({"positive_rank": 0.123} if row["pairing"] == "irrelevant" else {}) for row in rows]),
    *(Plant("pair_features/a_sample_is_computed_anew", spoil)
      for spoil in (
          lambda rows: [row | {"positive_rank": row["positive_rank"] + 0.001, "negative_rank": row["negative_rank"] + 0.001}
                        for row in rows],
          every(positive_confidence=1.0, negative_confidence=1.0),
          lambda rows: [row | {"negative_confidence": 1 - row["negative_confidence"]} for row in rows],
      )),
    Plant("pair_features/pairs_are_complete", lambda rows: [],
          ("irrelevant_pairs_are_as_designed", "pairs_stand_on_their_sessions"), of="sampled_inputs"),
    *(Plant("pair_features/values_are_in_range", first(**{name: value}))
      for name in ("positive_rank", "negative_rank") for value in (NAN, float("inf"))),
    Plant("fine_tuning_features/kept_and_clamped_are_extracted", lambda rows: rows[1:], ("pairs_come_from_pair_features",)),
    Plant("fine_tuning_features/kept_and_clamped_are_extracted", lambda rows: [], FEATURES_ALSO, of="pair_features"),
    Plant("fine_tuning_features/required_values_are_there", first(query_hash=None), FEATURES_ALSO),
    Plant("fine_tuning_features/rows_rebuild_fine_tuning_features", first(negative_rank=None), NO_RANK),
    Plant("fine_tuning_features/pairs_are_inside_the_window", first(positive_rank=0.5, negative_rank=0.5), FEATURES_ALSO),
    Plant("fine_tuning_features/pairs_are_inside_the_window", first(positive_rank=10.5, negative_rank=0.5), FEATURES_ALSO),
    Plant("fine_tuning_features/pairs_are_inside_the_window", first(positive_rank=NAN), NAN_ALSO),
    *(Plant("fine_tuning_features/pairs_come_from_pair_features", spoil, ("kept_and_clamped_are_extracted",))
      for spoil in (lambda rows: rows[1:], again)),
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
    with StoredTable(lake, table, day_of(table)) as stored:
        outcomes = [stored.run(check).outcome for check in checks() if check.table == table]
    return {outcome.check: outcome for outcome in outcomes if not outcome.passed}


def test_every_check_has_a_planted_violation() -> None:
    planted = {plant.check for plant in PLANTS} | {f"{table}/types_are_as_declared" for table in OTHER_TYPES} | STATISTICAL
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
    assert not [word for word in PERSONAL_WORDS if word in str(outcome.examples)]


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


@pytest.mark.parametrize(
    ("factor", "settings", "ranked"),
    [
        (0.0, PairSettings(), "s1 s2 s3"),
        (0.3, PairSettings(ranker="euclidean", ranks_aggregator="max", confidence="windowed", window_size=5), "s1 s2"),
        (1.0, PairSettings(ranker="dot", ranks_aggregator="min", confidence="windowed", not_irrelevant_only=False), "s1"),
        (1.0, PairSettings(confidence="windowed", window_size=1, sessions_per_batch=2, not_irrelevant_only=False), ""),
    ],
    ids=str,
)
def test_a_day_of_other_settings_is_sound(tmp_path: Path, factor: float, settings: PairSettings, ranked: str) -> None:
    lake = sound_day(tmp_path, factor, settings, ranked)
    assert lake.slice("pair_features", DAY).row_count > 0 or factor == 0.0
    warned = {"days_with_clicks_make_pairs"} if factor == 0.0 else set()
    assert {name for table in ("sampled_inputs", "pair_features") for name in failed(lake, table)} == warned


def test_the_sound_day_is_not_empty(template: Lake) -> None:
    for name in set(schemas.TABLES) - {"rejected_records"}:
        assert template.slice(name).row_count > 0, name
    assert set(template.slice("pair_features").to_table()["pairing"].to_pylist()) == {"session", "irrelevant"}


def test_empty_tables_pass(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    for check in checks():
        facts = {"min": 0.0, "max": 1.0, "model": "m", "event_types": ["click"], "factor": 0.5, "ranker": "cosine"}
        facts |= {"target": 1, "not_irrelevant_only": False, "seed": 0, "ranks_aggregator": "mean"}
        facts |= {"confidence": "windowed", "window_size": 3}
        own = {name: facts[name] for name in FACTS.get(check.table, ())}
        assert run_check(lake, check, day_of(check.table), own).passed, check


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
    assert parameters_of(lake, "fine_tuning_features", DAY) == {"min": 0.0, "max": 10.0, "target": 1}
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


@pytest.mark.parametrize("check", ["rejected_records/nothing_is_rejected", "session_events/items_were_shown"])
def test_a_warning_of_an_ingestion_ends_with_the_next_clean_one(lake: Lake, check: str) -> None:
    lake.append("rejected_records", table_of("rejected_records", [rejected()]), {})
    lake.append("session_events", table_of("session_events", [event("s1", "f")]), {})
    assert not outcome_of(lake, named(check)).passed
    later = ingested_file("ubi/clean.ndjson", ingested_at=NOW + dt.timedelta(days=400))
    lake.append("ingested_files", table_of("ingested_files", [later]), {})
    assert outcome_of(lake, named(check)).passed


def test_the_target_of_each_ranker_is_the_one_of_its_kernel() -> None:
    assert {ranker: PairSettings(ranker=ranker).kernels().ranker.target for ranker in TARGETS} == TARGETS


def test_a_log_that_has_moved_on_since_is_no_fault_of_the_day(lake: Lake) -> None:
    lake.append("session_events", table_of("session_events", [event("s1", "e")]), {})
    lake.append("search_sessions", table_of("search_sessions", [session("late", ["e"])]), {})
    assert failed(lake, "fine_tuning_inputs") == {}
    with StoredTable(lake, "fine_tuning_inputs", DAY) as stored:
        read = stored.run(named("fine_tuning_inputs/clicks_agree_with_events")).versions
    assert read["session_events"] == lake.slice("session_events").version - 1


def test_where_the_log_as_it_was_read_is_forgotten_it_is_read_as_it_is(lake: Lake) -> None:
    store(lake, "session_events", lake.slice("session_events").to_table())
    delta = lake.open("session_events")
    delta.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    check = named("fine_tuning_inputs/clicks_agree_with_events")
    with StoredTable(lake, "fine_tuning_inputs", DAY) as stored:
        found = stored.run(check)
    assert (found.outcome.passed, found.versions["session_events"]) == (True, delta.version())
    assert lake.slice_if_there("session_events", None, 1) is None
    assert lake.slice_if_there("session_events", None, 99) is None


@pytest.mark.parametrize("factor", [0.0, 0.29, 0.5, 0.7, 1.0])
def test_the_kept_count_is_the_kernels_at_every_size(tmp_path: Path, factor: float) -> None:
    sizes = [*range(40), 100]  # 0.29 * 100 is 28.999999999999996, so 28 stay
    rows = [inputs(f"s{n}", ["clicked", *(f"i{k}" for k in range(n))], ["clicked"]) for n in sizes]
    made = engine.sampled_inputs(slice_of(make_lake(tmp_path), "fine_tuning_inputs", rows), factor, 0)
    lake, check = make_lake(tmp_path), named("sampled_inputs/kept_count_is_as_asked")
    put_day(lake, "sampled_inputs", pa.Table.from_batches(made.batches()))
    assert run_check(lake, check, DAY, {"factor": factor}).passed
    other = run_check(lake, check, DAY, {"factor": 0.6})
    assert (other.rows or 0) > 30
    assert all(row["kept"] != row["expected"] for row in other.examples)


@pytest.mark.parametrize(
    ("factor", "place", "stays"), [(1.0, 2, False), (1.0, 0, False), (0.0, 2, True), (0.0, 0, False)], ids=str
)
def test_where_all_or_none_is_to_stay_one_object_otherwise_is_shown(
    tmp_path: Path, factor: float, place: int, stays: bool
) -> None:
    rows = [inputs(f"s{n}", ["a", "b", "c"], ["a"]) for n in range(3)]
    made = engine.sampled_inputs(slice_of(make_lake(tmp_path), "fine_tuning_inputs", rows), factor, 0)
    sampled = pa.Table.from_batches(made.batches()).to_pylist()
    lake, check = make_lake(tmp_path), named("sampled_inputs/kept_are_the_lowest_hashes")
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", sampled))
    assert run_check(lake, check, DAY, {"factor": factor, "seed": 0}).passed
    sampled[1]["kept"][place] = stays
    put_day(lake, "sampled_inputs", table_of("sampled_inputs", sampled))
    (shown,) = run_check(lake, check, DAY, {"factor": factor, "seed": 0}).examples
    assert shown == {"session_id": sampled[1]["session_id"], "object_id": "abc"[place], "kept": stays, "expected": not stays}


def test_nulls_of_a_file_that_does_not_count_them_are_found(lake: Lake) -> None:
    rows, check = lake.slice("items").to_table().slice(0, 1), named("items/required_values_are_there")
    without = WriterProperties(default_column_properties=ColumnProperties(statistics_enabled="NONE"))
    write_deltalake(lake.open("items"), rows, mode="append", writer_properties=without)
    assert outcome_of(lake, check).passed
    spoilt = pa.Table.from_pylist([rows.to_pylist()[0] | {"source_file": None}], schema=rows.schema)
    write_deltalake(lake.open("items"), spoilt, mode="append", writer_properties=without)
    uncounted = [fragment.metadata.row_group(0).column(0).is_stats_set for fragment in lake.slice("items").fragments()]
    assert uncounted.count(False) == 2
    assert outcome_of(lake, check).examples == [{"column": "source_file", "nulls": 1}]


def test_all_checks_of_a_table_read_one_version_of_it(lake: Lake) -> None:
    with StoredTable(lake, "pair_features", DAY) as stored:
        first_, *others = (check for check in checks() if check.table == "pair_features")
        version = stored.run(first_).versions["pair_features"]
        lake.replace_day("pair_features", DAY, lambda: [], {})
        found = [stored.run(check) for check in others]
    assert all(one.outcome.passed and one.versions["pair_features"] == version for one in found)
    assert set(failed(lake, "pair_features")) >= {"pairs_are_complete"}
