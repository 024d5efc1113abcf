"""Who is forgotten is nowhere in the home, and everybody else is there as before."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pyarrow.compute as pc
import pytest
from click.testing import CliRunner

from ft_assets import cli, forget_landing, headless, identity, journal, lineage, queries, schemas
from ft_assets import forget as forget_module
from ft_assets import forget_tables as tables
from ft_assets.forget import forget
from ft_assets.forget_landing import Blanked
from ft_assets.ingestion import Settings, ingest, new_files
from ft_assets.lake import AlreadyDone, Home, Lake
from ft_assets.landing import landed_files
from ft_assets_tests import person
from ft_assets_tests.builders import (
    DAY,
    NEXT_DAY,
    event,
    make_lake,
    pair,
    put_day,
    rejected,
    session,
    table_of,
    text_hash,
    vector,
)
from ft_assets_tests.person import MARK, USER

KEY = b"a key of sixteen"
CODE = identity.pseudonym(USER, KEY)
CONFIG = {
    "ops": {"pair_features": {"config": {"not_irrelevant_only": False}}},
    "resources": {"encoder": {"config": {"model": "hashing:64"}}},
}


def run(home):
    with headless.instance_of(home) as instance:
        done = headless.run_until_nothing_is_new(home, instance, lambda line: None, CONFIG)
    assert done.succeeded, (done.failed, done.failed_checks)
    return done


def rows(lake: Lake, name: str) -> list[str]:
    return sorted(json.dumps(row, default=str, sort_keys=True) for row in lake.slice(name).to_table().to_pylist())


def of_others(found: list[str]) -> list[str]:
    """The rows of others; of a raw list of events, the events of others."""
    marks = [needle.decode() for needle in person.needles(CODE)]
    left = []
    for text in found:
        row = json.loads(text)
        if row.get("raw", "").startswith('{"events": [') and MARK not in str(row["session_id"]):
            events = json.loads(row["raw"])["events"]
            row["raw"] = json.dumps({"events": [event for event in events if MARK not in str(event)]})
        left.append(json.dumps(row, sort_keys=True))
    return sorted(row for row in left if not any(mark in row for mark in marks))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """A home in which one person's days were run among those of others."""
    home = Home(tmp_path_factory.mktemp("forget") / "home")
    person.land(home.landing)
    run(home)
    return home


@pytest.fixture
def made(made_once, tmp_path):
    """The same, to do with as one likes."""
    shutil.copytree(made_once.path, tmp_path / "home")
    return Home(tmp_path / "home")


def broken_books(lake: Lake) -> list[object]:
    """The rows that break a check of the ledger."""
    found = []
    for check in ("files_are_unique", "records_are_accounted_for", "rows_agree_with_the_books"):
        with queries.session({name: lake.slice(name) for name in schemas.TABLES}) as con:
            found += queries.rows(queries.query(con, f"checks/ingested_files/{check}"))
    return found


def everything(lake: Lake) -> dict[str, list[str]]:
    return {name: rows(lake, name) for name in schemas.TABLES}


@pytest.mark.slow
def test_who_is_forgotten_is_in_no_byte_of_the_home_and_the_others_are_as_they_were(made):
    before = everything(made.lake)
    assert [row for row in before["pair_features"] if '"irrelevant"' in row]
    assert len(before["rejected_records"]) == 6
    assert len(person.traces(made.path / "landing")) == 3
    assert len(person.traces(made.path / "lake")) > 8
    files = {file.name for file in landed_files(made.landing)}

    done = forget(made.lake, made.landing, USER, KEY, alone=True)

    assert done.sessions == {f"s-{MARK}-1", f"s-{MARK}-2", f"s-{MARK}-4", f"q-{MARK}"}
    assert person.traces(made.path / "landing", CODE) == []
    assert person.traces(made.path / "lake", CODE) == []
    after = everything(made.lake)
    for name in ("search_sessions", "session_events", "rejected_records", "items", "fine_tuning_inputs", "sampled_inputs"):
        assert after[name] == of_others(before[name]), name
        assert not done.rows.get(name, 0) or len(before[name]) - len(after[name]) == done.rows[name]
    assert {
        name: count for name, count in done.rows.items() if name in ("search_sessions", "session_events", "text_vectors")
    } == {
        "search_sessions": 3,
        "session_events": 6,
        "text_vectors": 3,
    }
    assert {file.name for file in landed_files(made.landing)} == files
    assert broken_books(made.lake) == []
    assert not new_files(made.lake, made.landing)

    assert [day.isoformat() for day in done.days] == ["2026-11-01"]
    run(made)
    assert person.traces(made.landing, CODE) == person.traces(made.path / "lake", CODE) == []
    assert broken_books(made.lake) == []
    assert new_files(made.lake, made.landing) == []
    assert rows(made.lake, "fine_tuning_inputs") == of_others(before["fine_tuning_inputs"])
    assert not [row for row in rows(made.lake, "pair_features") if MARK in row]
    assert run(made).runs == 0


@pytest.mark.slow
def test_every_line_of_the_others_keeps_its_bytes_and_its_number(made):
    forget(made.lake, made.landing, USER, KEY, alone=True)
    for name, lines in person.files().items():
        found = person.lines_of(made.landing / name)
        assert len(found) == len(lines), name
        for number, (now, then) in enumerate(zip(found, lines, strict=True), 1):
            if MARK not in then and '"index"' not in then:
                assert now == then, (name, number)
            elif "s-2" in then and MARK in then:
                assert [e["object_id"] for e in json.loads(now)["events"]] == ["i2", "i3"]
            elif MARK in then:
                assert now == ""
    log = person.lines_of(made.landing / "ubi" / "log.ndjson")
    assert [bool(line) for line in log] == [True, True, False, False, False, False, True, True, False, False]
    assert (made.landing / "embedding_studio" / "events.ndjson.gz").read_bytes().startswith(b"\x1f\x8b")


@pytest.mark.slow
def test_a_second_call_finds_nothing_and_changes_nothing(made):
    forget(made.lake, made.landing, USER, KEY, alone=True)

    def state():
        files = {path: path.stat().st_mtime_ns for path in made.landing.rglob("*")}
        return files, {name: made.lake.open(name).version() for name in schemas.TABLES}

    before = state()
    again = forget(made.lake, made.landing, USER, KEY, alone=True)
    assert again.is_empty
    assert not again.sessions
    assert not again.history
    assert not again.warnings
    assert state() == before


STEPS = [
    (forget_landing.landing, "replace"),
    (Lake, "merge_once"),
    (tables, "retried"),
    (forget_module.tables, "delete_unasked_vectors"),
    (forget_module.tables, "remove_history"),
]


class Killed(BaseException):
    """As kill -9: nothing of ours sees it. (What it leaves half-written is told apart below, with real processes.)"""


@pytest.mark.long
@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no key"])
def test_whatever_step_is_the_last_one_before_a_kill_the_next_call_finishes(home, monkeypatch, key, tmp_path):
    person.land(home.landing)
    ingest(home.lake, new_files(home.lake, home.landing))
    expected = {name: of_others(rows(home.lake, name)) for name in tables_of_the_log()}
    for step in range(1 if key else 2, 60, 3):
        copy = Home(tmp_path / f"step {step}")
        shutil.copytree(home.path, copy.path)
        left = [step]
        with monkeypatch.context() as patched:
            for module, name in STEPS:
                patched.setattr(module, name, killing(getattr(module, name), left))
            with suppress(Killed):
                forget(copy.lake, copy.landing, USER, key, alone=True)
        if left[0] > 0:
            break
        if step % 4 < 2:  # an ingestion comes first
            ingested = ingest(copy.lake, new_files(copy.lake, copy.landing))
            assert set(ingested.rows.values()) <= {0}, (step, ingested)
        forget(copy.lake, copy.landing, USER, key, alone=True)
        assert person.traces(copy.path, CODE) == [], step
        assert broken_books(copy.lake) == [], step
        assert new_files(copy.lake, copy.landing) == [], step
        assert {name: rows(copy.lake, name) for name in expected} == expected, step
        assert days_touched_by_deleting(copy.lake) == ["2026-11-01"], step
    assert step > 10


def tables_of_the_log():
    return ("search_sessions", "session_events", "rejected_records", "items")


def days_touched_by_deleting(lake):
    merges = [entry for entry in lake.history("search_sessions") if entry["operation"] == "MERGE"]
    return sorted({day for entry in merges for day in json.loads(entry["affected_days"])})


def dying_at(step, calls):
    """The step, done so often, and then no more."""
    left = [calls]

    def dying(*arguments, **options):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return step(*arguments, **options)

    return dying


def killing(step, left):
    def killed(*arguments, **options):
        done = step(*arguments, **options)
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return done

    return killed


def test_without_a_key_sessions_are_found_by_the_landed_files(home):
    person.land(home.landing)
    ingest(home.lake, new_files(home.lake, home.landing))
    done = forget(home.lake, home.landing, USER, None, alone=True)
    assert done.rows["search_sessions"] == 3
    assert person.traces(home.path) == []
    (broken,) = home.lake.slice("rejected_records").to_table().filter(pc.field("reason") == "not_json").to_pylist()
    assert '"user_id": null' in broken["detail"]  # what is quoted of a record names nobody either
    assert '"other"' not in broken["detail"]


def test_with_the_key_sessions_are_found_by_the_tables_when_the_files_are_gone(tmp_path):
    lake = make_lake(
        tmp_path,
        search_sessions=table_of(
            "search_sessions",
            [session("s-1", ["a"], user_id=CODE), session("s-2", ["a"], user_id="c"), session("s-3", ["a"], day=NEXT_DAY)],
        ),
        session_events=table_of("session_events", [event("s-1", "a"), event("s-2", "a")]),
        text_vectors=table_of("text_vectors", [vector(f"query of s-{n}", "query") for n in (1, 2, 3)] + [vector("a")]),
        rejected_records=table_of(
            "rejected_records",
            [
                rejected(1, raw=f'{{"user_id": "{CODE}"', source_file="ubi/a"),
                rejected(2, raw='{"session_id": "s-1", "events": [{}]}', source_file="embedding_studio/a"),
                rejected(3, raw='{"session_id": "s-1"}', source_file="ubi/a"),  # a visit, there
                rejected(4, raw='{"session_id": "s-2"}', source_file="embedding_studio/a"),
            ],
        ),
    )
    put_day(lake, "pair_features", table_of("pair_features", [pair("s-1"), pair("s-2"), pair("s-2", pairing="irrelevant")]))
    done = forget(lake, tmp_path / "landing", USER, KEY)
    assert done.days == [DAY]
    assert done.rows == {
        "rejected_records": 2, "pair_features": 2, "session_events": 1, "search_sessions": 1, "text_vectors": 1
    }  # fmt: skip
    assert [row["record_number"] for row in lake.slice("rejected_records").to_table().to_pylist()] == [3, 4]
    left = lake.slice("text_vectors").to_table()
    assert set(left["text_hash"].to_pylist()) == {text_hash(words) for words in ("query of s-2", "query of s-3", "a")}


def test_the_log_says_which_days_are_to_be_made_anew_and_not_whose(tmp_path):
    lake = make_lake(tmp_path, search_sessions=table_of("search_sessions", [session(f"s-{MARK}", ["a"], user_id=CODE)]))
    lake.append_once("search_sessions", table_of("search_sessions", [session("s-2", ["a"])]).to_batches, ["ubi/f"], {})
    version = lake.open("search_sessions").version()
    forget(lake, tmp_path / "landing", USER, KEY)
    assert lineage.affected_days(lake, {"search_sessions": version}) == {DAY: {"search_sessions": version + 1}}
    assert person.traces(tmp_path, CODE) == []
    with pytest.raises(AlreadyDone):
        lake.append_once("search_sessions", table_of("search_sessions", [session("s-2", ["a"])]).to_batches, ["ubi/f"], {})


def test_a_log_keeps_no_value_of_a_row_and_a_log_that_does_is_named(tmp_path, monkeypatch):
    rows_ = table_of("search_sessions", [session(f"s-{MARK}", ["a"])])
    lake = make_lake(tmp_path / "new", search_sessions=rows_)
    for _ in range(100):  # until a checkpoint is written
        lake.append("search_sessions", rows_, {})
    log = tmp_path / "new" / "lake" / "search_sessions" / "_delta_log"
    assert list(log.glob("*.checkpoint.parquet"))
    assert person.traces(log) == []
    assert lake.slice("search_sessions").row_count == 101
    monkeypatch.setattr("ft_assets.lake.TABLE_CONFIGURATION", {})
    old = make_lake(tmp_path / "old", search_sessions=rows_)
    assert person.traces(tmp_path / "old" / "lake" / "search_sessions" / "_delta_log")
    assert "made by an older version" in forget(old, tmp_path / "landing", USER, KEY).warnings[0]


def test_files_of_killed_writers_go_when_nobody_is_at_work_or_when_they_are_old(tmp_path):
    lake = make_lake(tmp_path, session_events=table_of("session_events", [event("s", "i")]))
    names = ["part-0.parquet", "part-1.parquet#1", "old.parquet"]
    for name in names:
        (tmp_path / "lake" / "session_events" / name).write_text(MARK)
    os.utime(tmp_path / "lake" / "session_events" / "old.parquet", (0, 0))
    (tmp_path / "landing" / "ubi").mkdir(parents=True)
    (tmp_path / "landing" / "ubi" / ".0123456789abcdef.tmp").write_text(MARK)
    (tmp_path / "landing" / "ubi" / ".log.tmp").write_text("not ours")
    forget(lake, tmp_path / "landing", USER, KEY)
    assert len(person.traces(tmp_path)) == 3
    done = forget(lake, tmp_path / "landing", USER, KEY, alone=True)
    assert done.history == {"session_events": 2}
    assert done.leftovers == ["ubi/.0123456789abcdef.tmp"]
    assert person.traces(tmp_path) == []
    assert lake.slice("session_events").to_table().num_rows == 1


def test_sessions_that_an_ingestion_adds_meanwhile_are_removed_as_well(tmp_path, monkeypatch):
    lake = make_lake(tmp_path, search_sessions=table_of("search_sessions", [session("s-1", ["a"], user_id=CODE)]))
    late, delete = ["s-2"], tables.delete_sessions

    def and_then(lake, table, *arguments):
        done = delete(lake, table, *arguments)
        if late:
            lake.append("search_sessions", table_of("search_sessions", [session(late.pop(), ["a"], user_id=CODE)]), {})
        return done

    monkeypatch.setattr(tables, "delete_sessions", and_then)
    assert forget(lake, tmp_path / "landing", USER, KEY).rows == {"search_sessions": 2}
    assert lake.slice("search_sessions").row_count == 0


@pytest.mark.parametrize("user", ["", "  "])
def test_nobody_has_a_blank_name(home, user):
    with pytest.raises(ValueError, match="must not be blank"):
        forget(home.lake, home.landing, user, KEY)


def test_an_unused_home_has_nothing_to_forget(home):
    assert forget(home.lake, home.landing, USER, KEY).is_empty


def test_a_refused_record_goes_when_its_detail_names_the_person(tmp_path):
    refused = [
        rejected(1, raw='{"user_id": null, "a', detail=f'must be one JSON object, got {{"user_id": "{USER}", "a'),
        rejected(2, raw='{"user_id": null, "b', detail='must be one JSON object, got {"user_id": "other", "b'),
    ]
    lake = make_lake(tmp_path, rejected_records=table_of("rejected_records", refused))
    assert forget(lake, tmp_path / "landing", USER, None).rows == {"rejected_records": 1}
    assert lake.slice("rejected_records").to_table()["record_number"].to_pylist() == [2]


def test_an_ingestion_that_commits_all_the_while_loses_nothing(tmp_path):
    mine = [session(f"s-{MARK}-{n}", ["a"], user_id=CODE, day=day) for n, day in enumerate((DAY, NEXT_DAY))]
    lake = make_lake(
        tmp_path,
        search_sessions=table_of("search_sessions", mine),
        session_events=table_of("session_events", [event(f"s-{MARK}-0", "a")]),
    )

    def ingest_others():
        for number in range(25):
            lake.append("search_sessions", table_of("search_sessions", [session(f"s-{number}", ["a"])]), {})
            lake.append("session_events", table_of("session_events", [event(f"s-{number}", "a")]), {})

    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(ingest_others)
        done = forget(lake, tmp_path / "landing", USER, KEY)
        others.result()
    assert done.rows == {"search_sessions": 2, "session_events": 1}
    expected = sorted(f"s-{number}" for number in range(25))
    for name in ("search_sessions", "session_events"):
        assert sorted(lake.slice(name).to_table()["session_id"].to_pylist()) == expected
    forget(lake, tmp_path / "landing", USER, KEY, alone=True)
    assert person.traces(tmp_path, CODE) == []


# --- the ledger, and ingestions ---


def write(home, name, *records, pack=bytes):
    path = home.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack("".join(f"{json.dumps(record)}\n" for record in records).encode()))
    return path


def ledger(lake):
    return {row["landed_as"]: row for row in lake.slice("ingested_files").to_table().to_pylist()}


def digest(path):
    data = path.read_bytes()
    return hashlib.sha256(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).hexdigest()


def test_the_ledger_knows_each_file_as_it_is_now_and_its_copies_with_it(home, monkeypatch):
    monkeypatch.setenv(identity.KEY_VARIABLE, KEY.decode())
    mine, other = person.shown(f"s-{MARK}", "tea", user_id=USER), person.shown("s-1", "tea")
    first = write(home, "embedding_studio/a", mine, other)
    write(home, "embedding_studio/b.gz", mine, other, pack=gzip.compress)
    write(home, "ubi/c", mine, other)  # the same content, delivered as another format
    gone = write(home, "embedding_studio/d", mine, other)
    for place in "xyz":  # nothing is left of these: they become alike
        write(home, f"embedding_studio/{place}", {**person.click(f"s-{MARK}", "i1"), "event_id": place, "user_id": USER})
    ingest(home.lake, new_files(home.lake, home.landing))
    before = ledger(home.lake)
    gone.unlink()

    forget(home.lake, home.landing, USER, KEY, alone=True)

    after = ledger(home.lake)
    assert broken_books(home.lake) == []
    assert new_files(home.lake, home.landing) == []
    assert {name: row["copy_of"] for name, row in after.items()} == {name: row["copy_of"] for name, row in before.items()}
    contents = {after[f"embedding_studio/{name}"]["content"] for name in ("a", "b.gz", "d")} | {after["ubi/c"]["content"]}
    assert contents == {digest(first)}
    assert len({after[f"embedding_studio/{place}"]["content"] for place in "xyz"}) == 3
    assert (after["embedding_studio/a"]["forgotten_sessions"], after["embedding_studio/a"]["forgotten_records"]) == (1, 0)
    assert [after[f"embedding_studio/{place}"]["forgotten_records"] for place in "xyz"] == [1, 1, 1]
    for name in ("embedding_studio/a", "embedding_studio/b.gz", "ubi/c"):
        assert person.lines_of(home.landing / name)[0] == ""
    (home.landing / "embedding_studio" / "again").write_bytes(first.read_bytes())
    done = ingest(home.lake, new_files(home.lake, home.landing))
    assert done.copies == {"embedding_studio/again": "embedding_studio/a"}


def test_rows_that_were_lost_before_are_not_called_forgotten(home):
    write(home, "embedding_studio/a", person.shown("s-1", "tea"), person.shown("s-2", "tea"))
    write(home, "embedding_studio/b", person.shown(f"s-{MARK}", "tea", user_id=USER))
    ingest(home.lake, new_files(home.lake, home.landing))
    home.lake.open("search_sessions").delete("session_id = 's-2'")
    done = forget(home.lake, home.landing, USER, None, alone=True)
    assert "books of 1 files did not agree" in done.warnings[0]
    assert {row["source_file"] for row in broken_books(home.lake)} == {"embedding_studio/a"}
    assert ledger(home.lake)["embedding_studio/b"]["forgotten_sessions"] == 1


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no key"])
def test_what_waits_for_its_session_is_the_persons_too_and_what_waits_beside_it_is_not(home, monkeypatch, key):
    if key:
        monkeypatch.setenv(identity.KEY_VARIABLE, key.decode())
    waiting = [person.click(f"s-{MARK}", "i1"), person.click("s-9", "i2"), person.click(f"s-{MARK}", "i3")]
    write(home, "embedding_studio/a", {"events": waiting}, {**person.click(f"s-{MARK}-2", "i1"), "user_id": USER})
    write(home, "embedding_studio/b", person.shown(f"s-{MARK}", "tea", created_at="never", user_id=USER))
    write(home, "ubi/c", {**person.ubi_event(f"q-{MARK}", "i1"), "client_id": USER}, person.ubi_event("q-9", "i1"))
    ingest(home.lake, new_files(home.lake, home.landing))
    found = {name: home.lake.slice(name).row_count for name in ("waiting_records", "session_parts", "rejected_records")}
    assert found == {"waiting_records": 6, "session_parts": 2, "rejected_records": 1}

    done = forget(home.lake, home.landing, USER, key, alone=True)

    assert done.sessions == {f"s-{MARK}", f"s-{MARK}-2", f"q-{MARK}"}
    assert person.traces(home.path, CODE) == []
    assert sorted(home.lake.slice("waiting_records").to_table()["session_id"].to_pylist()) == ["q-9", "s-9"]
    assert home.lake.slice("session_parts").to_table()["session_id"].to_pylist() == ["q-9"]
    assert broken_books(home.lake) == []
    assert new_files(home.lake, home.landing) == []
    write(home, "embedding_studio/d", person.shown("s-9", "tea"))
    assert ingest(home.lake, new_files(home.lake, home.landing)).released == {"joined": 1}
    assert broken_books(home.lake) == []


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no key"])
def test_who_stands_where_only_a_home_says_is_in_no_table_and_is_forgotten(home, monkeypatch, key):
    if key:
        monkeypatch.setenv(identity.KEY_VARIABLE, key.decode())
    (home.path / "ubi_fields.csv").write_text(
        "field,place,path,spelling\nuser,1,$.customer,ours\nclient,1,$.visitor.id,ours\nquery_id,1,$.search.id,ours\n"
    )
    of_person = [
        {**person.ubi_query(f"q-{MARK}", "tea"), "customer": USER},
        {**person.ubi_query(f"q-{MARK}-2", "tea"), "timestamp": "never", "customer": USER},
        {**person.ubi_event(f"q-{MARK}-3", "i1"), "visitor": {"id": USER}},
    ]
    unnamed = {**person.ubi_event("", "i1"), "search": {"id": f"q-{MARK}"}}
    del unnamed["query_id"]
    others = [{**person.ubi_query("q-1", "tea"), "customer": "other"}, {**person.ubi_event("q-9", "i1"), "customer": "other"}]
    others.append({**person.ubi_event("q-1", USER), "id": USER})  # an item, and no path of a user
    path = write(home, "ubi/a", *of_person, unnamed, *others)
    write(home, "embedding_studio/wrong", {"customer": USER, "search_query": None})
    ingest(home.lake, new_files(home.lake, home.landing), settings=Settings(spellings=home.path))
    users = set(home.lake.slice("search_sessions").to_table()["user_id"].to_pylist())
    assert users == ({CODE, identity.pseudonym("other", KEY)} if key else {None})
    raws = {name: home.lake.slice(name).to_table()["raw"].to_pylist() for name in ("rejected_records", "waiting_records")}
    assert len(raws["waiting_records"]) == 3
    assert not [raw for found in raws.values() for raw in found if USER in raw and '"q-1"' not in raw]
    assert bool(key) == any(CODE in raw for raw in raws["rejected_records"])

    done = forget(home.lake, home.landing, USER, key, alone=True, spellings=home.path)

    assert done.sessions >= {f"q-{MARK}", f"q-{MARK}-2", f"q-{MARK}-3"}
    assert person.lines_of(path) == ["", "", "", "", *map(json.dumps, others)]
    assert person.lines_of(home.landing / "embedding_studio" / "wrong") == [""]
    assert home.lake.slice("search_sessions").to_table()["session_id"].to_pylist() == ["q-1"]
    left = [raw for name in raws for raw in home.lake.slice(name).to_table()["raw"].to_pylist()]
    assert not [raw for raw in left if MARK in raw and "q-1" not in raw]
    assert broken_books(home.lake) == []


@pytest.mark.parametrize("is_known", [True, False], ids=["of files that are in the tables", "of new files alone"])
@pytest.mark.parametrize("moment", ["staged", "counts"])
def test_an_ingestion_under_way_does_not_bring_the_person_back(home, monkeypatch, is_known, moment):
    write(home, "embedding_studio/a", person.shown("s-1", "tea"))
    if is_known:
        write(home, "embedding_studio/b", person.shown(f"s-{MARK}", "tea", user_id=USER))
    ingest(home.lake, new_files(home.lake, home.landing))
    write(home, "embedding_studio/c", person.shown(f"s-{MARK}-2", "tea", user_id=USER), person.shown("s-2", "tea"))
    commit, forgotten = journal.Staging.commit, []

    def with_another(staging, *arguments):
        first = not forgotten
        if first and moment == "staged":
            assert person.traces(home.path / "lake" / "_ingestions")
            forgotten.append(forget(home.lake, home.landing, USER, None))
        done = commit(staging, *arguments)
        if first and moment == "counts":
            forgotten.append(forget(home.lake, home.landing, USER, None))
        return done

    monkeypatch.setattr(journal.Staging, "commit", with_another)
    done = ingest(home.lake, new_files(home.lake, home.landing))
    assert list(done.unread) == ["embedding_studio/c"]
    assert (moment == "staged") == any("rows of their own" in warning for warning in forgotten[0].warnings)
    left = ingest(home.lake, new_files(home.lake, home.landing))
    assert left.rows.get("search_sessions", 0) == (1 if moment == "staged" else 0)
    assert sorted(home.lake.slice("search_sessions").to_table()["session_id"].to_pylist()) == ["s-1", "s-2"]
    assert broken_books(home.lake) == []
    assert person.traces(home.landing) == []
    forget(home.lake, home.landing, USER, None, alone=True)
    assert person.traces(home.path) == []


@pytest.mark.parametrize("counts", [True, False])
def test_what_a_killed_ingestion_staged_is_forgotten_too(home, monkeypatch, counts):
    person.land(home.landing)
    module, name = (journal, "_apply") if counts else (journal.Staging, "commit")
    staged = home.path / "lake" / "_ingestions"
    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(journal.Staging, "discard", lambda self: None)
        patched.setattr(module, name, dying_at(getattr(module, name), 1 if counts else 0))
        ingest(home.lake, [file for file in new_files(home.lake, home.landing) if file.format != "items"])
    assert person.traces(staged)
    assert bool(journal.pending(home.lake)) == counts
    forget(home.lake, home.landing, USER, None, alone=True)
    assert person.traces(home.path) == []
    assert not [path for path in staged.rglob("*") if path.is_file()]
    assert broken_books(home.lake) == []


# --- landed lines ---


def blanked(
    tmp_path, data: bytes, user: str = "u1", folder: str = "embedding_studio", name: str = "a"
) -> tuple[bytes, Blanked]:
    path = tmp_path / "landing" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    done = forget(Lake(str(tmp_path / "lake")), tmp_path / "landing", user, None)
    return path.read_bytes(), done.files.get(f"{folder}/{name}", Blanked())


@pytest.mark.parametrize(
    ("line", "user", "is_gone"),
    [
        ('{"user_id": "u1"}', "u1", True),
        ('{"user_id": 17}', "17", True),
        ('{"user_id": 17.0}', "17", False),
        ('{"user_id": 171}', "17", False),
        ('{"a": [{"b": {"clientId": "u1"}}]}', "u1", True),
        ('{"user_id": ["u1"]}', "u1", True),
        ('{"user_id": {"id": "u1"}}', "u1", True),
        ('{"user_id": "x", "user_id": "u1"}', "u1", True),
        (r'{"user_id": "\u0075\u0031"}', "u1", True),
        (r'{"user_id": "a\"b"}', 'a"b', True),
        (r'{"user_id": "\u00e9t\u00e9"}', "été", True),
        ('{"user_id": "été"}', "été", True),
        ('{"user_id": ".*"}', ".*", True),
        ('{"user_id": "anything"}', ".*", False),
        ('{"search_query": "u1"}', "u1", False),
        ('{"object_id": "u1", "user_id": "u2"}', "u1", False),
        (json.dumps({"query": json.dumps({"user_id": "u1"})}), "u1", True),
        ('{"user_id": "u1", "cut', "u1", True),
        ('{"user_id": "u12", "cut', "u1", False),
        ("12 apples", "12", False),
        ("by user-1234.", "user-1234", True),
        ("by user-1234-5.", "user-1234", False),
        ("by user-1234.", "user.1234", False),
        ("[" * 100_000 + '"u1"', "u1", True),
        ('["u1"]', "u1", False),
    ],
)
def test_a_line_is_the_persons_when_a_user_field_says_so_or_when_it_is_no_json_and_holds_the_id(tmp_path, line, user, is_gone):
    data = f'{{"a": 1}}\n{line}\n{{"b": 2}}'.encode()
    found, counted = blanked(tmp_path, data, user)
    assert found == (b'{"a": 1}\n\n{"b": 2}' if is_gone else data)
    assert counted.records + counted.unreadable == is_gone


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_line_ends_marks_and_bytes_that_are_no_text_stay_where_they_are(tmp_path, compress):
    lines = [
        b'\xef\xbb\xbf{"a": 1}\r\n',
        b"\xff\xfe\r\n",
        b"\n",
        b'{"user_id": "u1"}\r\n',
        b'{"b": 2}\r\n',
        b'{"user_id": "u1"}',
    ]
    found, counted = blanked(tmp_path, compress(b"".join(lines)))
    plain = gzip.decompress(found) if compress is gzip.compress else found
    assert plain == b"".join([*lines[:3], b"\n", lines[4]])
    assert counted == Blanked(records=2)


def test_a_line_that_is_too_long_goes_where_it_holds_the_id_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr("ft_assets.lines.LINE_BYTES", 1 << 20)
    words = b"x" * (2 << 20)
    for place in (0, 1 << 20, (1 << 20) + 7, (2 << 20) - 5, 2 << 20):
        long = words[:place] + b' "user-1" ' + words[place:]
        found, counted = blanked(tmp_path, b'{"a": 1}\n' + long + b"\n" + words + b"\n", "user-1")
        assert found == b'{"a": 1}\n\n' + words + b"\n"
        assert counted == Blanked(unreadable=1)


def test_a_damaged_file_keeps_what_can_be_read(tmp_path):
    data = gzip.compress(b'{"a": 1}\n{"user_id": "u1"}\n' + os.urandom(2_000).hex().encode() + b"\n")
    found, counted = blanked(tmp_path, data[: len(data) // 2])
    assert gzip.decompress(found).startswith(b'{"a": 1}\n\n')
    assert counted == Blanked(records=1)
    untouched, none = blanked(tmp_path, data[: len(data) // 2], user="nobody")
    assert untouched == data[: len(data) // 2]
    assert none == Blanked()


def test_events_go_with_a_session_that_stands_in_another_file(tmp_path):
    (tmp_path / "landing" / "embedding_studio").mkdir(parents=True)
    (tmp_path / "landing" / "embedding_studio" / "z").write_text('{"session_id": "s 1", "user_id": "u1"}\n')
    events = (
        b'{"session_id": "s 1", "events": [{}]}\n{"session_id":"s 2"}\n{"session_id": "s\\u00201"}\n{"session_id": "s 1", cut\n'
    )
    found, counted = blanked(tmp_path, events)
    assert found == b'\n{"session_id":"s 2"}\n\n\n'
    assert counted == Blanked(records=2, unreadable=1)


def test_what_is_not_the_persons_is_neither_replaced_nor_touched(tmp_path):
    path = tmp_path / "landing" / "ubi" / "a"
    path.parent.mkdir(parents=True)
    path.write_text('{"user_id": "u2"}\n')
    os.utime(path, (1, 1))
    forget(Lake(str(tmp_path / "lake")), tmp_path / "landing", "u1", None)
    assert path.stat().st_mtime == 1


# --- the command ---


def ft_assets(home, *arguments, **environ):
    command = [sys.executable, "-m", "ft_assets.cli", "--home", str(home.path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environ})


def test_the_command_says_what_it_removed_and_what_it_did_not_reach(home):
    person.land(home.landing)
    ingest(home.lake, new_files(home.lake, home.landing))
    done = ft_assets(home, "forget", USER, "--yes", FT_ASSETS_USER_KEY=KEY.decode())
    assert done.returncode == 0, done.stderr
    assert f"forgot '{USER}': 4 sessions\n" in done.stdout
    assert "  search_sessions: 3 rows\n" in done.stdout
    assert "  embedding_studio/sessions.ndjson: 3 lines, 1 lines that are no JSON\n" in done.stdout
    assert "days to be made anew (ft-assets run): 2026-11-01" in done.stdout
    assert "not reached: backups" in done.stdout
    again = ft_assets(home, "forget", USER, "--yes", FT_ASSETS_USER_KEY=KEY.decode())
    assert again.returncode == 0
    assert f"nothing of '{USER}' was found" in again.stdout


def test_the_command_asks_first(home):
    person.land(home.landing)
    asked = CliRunner().invoke(cli.main, ["--home", str(home.path), "forget", USER], input="n\n")
    assert asked.exit_code == 1
    assert "cannot be undone" in asked.output
    assert person.traces(home.landing)
    assert CliRunner().invoke(cli.main, ["--home", str(home.path), "forget", USER], input="y\n").exit_code == 0
    assert not person.traces(home.landing)


def test_the_command_works_beside_no_run(home):
    from ft_assets.defs.gates import headless_lock

    person.land(home.landing)
    home.dagster.mkdir()
    with headless_lock(home):
        done = CliRunner().invoke(cli.main, ["--home", str(home.path), "forget", USER, "--yes"])
    assert done.exit_code == 1
    assert "an ft-assets run is at work" in done.output
    assert person.traces(home.landing)


def test_the_command_does_not_begin_while_dagster_runs_something(home):
    import dagster as dg

    person.land(home.landing)
    with headless.instance_of(home) as instance:
        instance.add_run(dg.DagsterRun("ingestion_job", status=dg.DagsterRunStatus.STARTED))
    done = CliRunner().invoke(cli.main, ["--home", str(home.path), "forget", USER, "--yes"])
    assert done.exit_code == 1
    assert "runs of Dagster are under way" in done.output
    assert person.traces(home.landing)


def test_a_key_that_is_too_short_is_told_before_anything_is_removed(home, monkeypatch):
    person.land(home.landing)
    monkeypatch.setenv(identity.KEY_VARIABLE, "short")
    done = CliRunner().invoke(cli.main, ["--home", str(home.path), "forget", USER, "--yes"])
    assert done.exit_code == 1
    assert "at least 16 bytes" in done.output
    assert person.traces(home.landing)


def test_what_dagster_still_says_of_the_person_is_named(tmp_path):
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "runs.db").write_text(f"... s-{MARK}-1 ...")
    assert forget_module.mentions(tmp_path, "nobody", KEY, {f"s-{MARK}-1"}) == ["storage/runs.db"]
    assert forget_module.mentions(tmp_path, "nobody", KEY, set()) == []


@pytest.mark.long
def test_a_command_that_is_killed_at_any_moment_is_finished_by_the_next(home):
    person.land(home.landing)
    ingest(home.lake, new_files(home.lake, home.landing))
    expected = {name: of_others(rows(home.lake, name)) for name in tables_of_the_log()}
    code = (
        "import sys; from pathlib import Path; from ft_assets.lake import Home; from ft_assets.forget import forget; "
        "print('ready', flush=True); home = Home(Path(sys.argv[1])); "
        "forget(home.lake, home.landing, sys.argv[2], sys.argv[3].encode(), alone=True); print('done', flush=True)"
    )
    kills = 0
    for milliseconds in range(20, 2_000, 120):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(home.path), USER, KEY.decode()], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        time.sleep(milliseconds / 1_000)
        child.kill()
        said = child.stdout.read()
        child.wait()
        child.stdout.close()
        if "done" in said:
            break
        kills += 1
    assert kills >= 3
    assert ft_assets(home, "forget", USER, "--yes", FT_ASSETS_USER_KEY=KEY.decode()).returncode == 0
    assert person.traces(home.landing, CODE) == []
    assert person.traces(home.path / "lake", CODE) == []
    assert {name: rows(home.lake, name) for name in expected} == expected


def test_a_table_of_the_future_is_looked_after_by_its_columns(tmp_path, monkeypatch):
    parts = schemas.Table(
        "session_parts",
        "a part",
        "Of the future.",
        (schemas.Column("user_id", schemas.STRING, "u."), schemas.Column("session_id", schemas.STRING, "s.")),
    )
    monkeypatch.setitem(schemas.TABLES, "session_parts", parts)
    lake = make_lake(tmp_path, search_sessions=table_of("search_sessions", [session("s-1", ["a"]), session("s-2", ["a"])]))
    lake.append("session_parts", table_of("session_parts", [{"user_id": CODE, "session_id": "s-1"}]), {})
    done = forget(lake, tmp_path / "landing", USER, KEY)
    assert done.rows == {"search_sessions": 1, "session_parts": 1}
    with queries.session({"search_sessions": lake.slice("search_sessions")}) as con:
        assert con.sql("select session_id from search_sessions").fetchall() == [("s-2",)]
