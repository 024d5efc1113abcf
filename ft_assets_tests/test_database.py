"""A real PostgreSQL server: what is in its tables is in the lake after a pull and an ingestion, whatever happens between."""

import gzip
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

import dagster as dg
import pytest

from ft_assets import database, headless, pulls, schemas
from ft_assets.database import SourceFailed
from ft_assets.definitions import defs
from ft_assets.defs.pulls import PULL_TAG
from ft_assets.defs.resources import HomeResource
from ft_assets.defs.sensors import database_sensor
from ft_assets.ingestion import ingest, new_files
from ft_assets.lake import Home, Overtaken
from ft_assets.sources import Source, named_sources, read_sources
from ft_assets_tests.postgres_server import PASSWORD, binaries, running

pytest.importorskip("psycopg", reason="psycopg reads the database")
pytestmark = pytest.mark.skipif(
    binaries() is None, reason="there is no PostgreSQL server here (Debian: apt install postgresql)"
)

TABLES = (
    """create table sessions (session_id text primary key, query text, started_at timestamptz, user_id text, results jsonb,
        updated_at timestamptz default now())""",
    "create table events (id bigserial primary key, session_id text, item_id text, event_type text, occurred_at timestamptz)",
    "create table items (item_id text primary key, text text, object_id text, updated_at timestamptz default now())",
)
DATABASES = itertools.count()
START = "timestamptz '2026-11-01 10:00:00+00'"
SESSIONS = f"""insert into sessions select 's' || n, 'query ' || n % 7, {START} + n * interval '1 minute', 'u' || n % 3,
    (select jsonb_agg(jsonb_build_object('item_id', 'i' || (n + k) % 20, 'rank', 1.0 / k)) from generate_series(1, 4) as k),
    {START} + n * interval '1 second' from generate_series({{}}, {{}}) as n"""
EVENTS = f"""insert into events (session_id, item_id, event_type, occurred_at)
    select 's' || n, 'i' || (n + 1) % 20, 'click', {START} + n * interval '1 minute' from generate_series({{}}, {{}}) as n"""
ITEMS = "insert into items select 'i' || n, 'item ' || n, null, now() from generate_series(0, 19) as n"
SOURCE = """
- name: shop
  url_env: SHOP_URL
  rows_per_file: {rows_per_file}
  items: {{relation: items, watermark: updated_at}}
  sessions: {{relation: public.sessions, watermark: updated_at, overlap: 60}}
  events: {{relation: events, watermark: id, overlap: 20, columns: {{event_id: id}}}}
"""


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server


class Shop:
    """A database of the server, and the home that pulls it."""

    def __init__(self, server, name, home):
        self.server, self.name, self.home = server, name, home
        self.url = server.url(name)
        self.configure(SOURCE.format(rows_per_file=1000))

    def configure(self, text):
        (self.home.path / "sources.yaml").write_text(text)

    def execute(self, *statements):
        return self.server.execute(self.name, *statements)

    @property
    def source(self) -> Source:
        (source,) = read_sources(self.home.path)
        return source

    def pull(self, **settings):
        return database.pull(self.source, self.home.lake, self.home.landing, lambda line: None, **settings)

    def new(self, **settings):
        """The rows that a pull lands, by feed."""
        return {feed: table.rows_new for feed, table in self.pull(**settings).tables.items()}

    def ingest(self):
        return ingest(self.home.lake, new_files(self.home.lake, self.home.landing))

    def landed(self, feed="sessions"):
        files = sorted(self.home.landing.glob(f"*/shop/{feed}-*.ndjson.gz"))
        return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]

    def command(self, *arguments):
        return [sys.executable, "-m", "ft_assets.cli", "--home", str(self.home.path), *arguments]

    def assert_lake_is_the_database(self):
        lake = self.home.lake
        stored = lake.slice("search_sessions").to_table().to_pylist()
        assert sorted((s["session_id"], s["query_text"], s["started_at"]) for s in stored) == sorted(
            self.execute("select session_id, query, started_at from sessions")
        )
        for session in stored:
            assert len(session["results"]) == 4
        events = lake.slice("session_events").to_table().to_pylist()
        assert sorted((e["event_id"], e["session_id"], e["item_id"], e["occurred_at"]) for e in events) == sorted(
            self.execute("select id::text, session_id, item_id, occurred_at from events")
        )
        items = lake.slice("items").to_table().to_pylist()
        assert sorted((i["item_id"], i["text"]) for i in items) == sorted(self.execute("select item_id, text from items"))
        assert lake.slice("rejected_records").row_count == 0


@pytest.fixture
def shop(server, home, monkeypatch):
    name = f"shop_{next(DATABASES)}"
    server.execute("postgres", f"create database {name}")
    shop = Shop(server, name, home)
    monkeypatch.setenv("SHOP_URL", shop.url)
    shop.execute(*TABLES)
    yield shop
    server.execute("postgres", f"drop database {name} with (force)")


@pytest.fixture
def filled(shop):
    shop.execute(SESSIONS.format(1, 50), EVENTS.format(1, 50), ITEMS)
    return shop


def only_sessions(settings, **columns):
    named = "".join(f", {key}: {value}" for key, value in columns.items())
    return f"- {{name: shop, url_env: SHOP_URL, sessions: {{relation: sessions, watermark: updated_at{named}, {settings}}}}}"


def test_the_first_pull_takes_all_and_the_second_nothing(filled):
    done = filled.pull()
    assert {feed: (table.rows_read, table.rows_new) for feed, table in done.tables.items()} == {
        "items": (20, 20), "sessions": (50, 50), "events": (50, 50)}  # fmt: skip
    filled.ingest()
    filled.assert_lake_is_the_database()
    files = sorted(filled.home.landing.rglob("*"))
    again = filled.pull()
    assert again.rows_new == 0
    assert again.tables["events"].rows_read == 21  # the overlap, both its ends
    assert sorted(filled.home.landing.rglob("*")) == files
    assert filled.home.lake.slice("pulled_ranges").row_count == 3


def test_what_was_pulled_is_in_the_books(filled):
    filled.pull()
    rows = filled.home.lake.slice("pulled_ranges").to_table().to_pylist()
    (events,) = [row for row in rows if row["feed"] == "events"]
    assert (events["source"], events["relation"], events["watermark_column"]) == ("shop", "events", "id")
    assert (events["number"], events["watermark"], events["rows_read"], events["rows_new"]) == (1, 50, 50, 50)
    assert len(events["hashes"]) == 21
    assert (filled.home.landing / events["file"]).is_file()
    (sessions,) = [row for row in rows if row["feed"] == "sessions"]
    assert len(sessions["hashes"]) == 50  # 49 seconds, less than the overlap


def test_rows_inserted_later_are_pulled_by_the_next_pull(filled):
    filled.pull()
    filled.execute(SESSIONS.format(51, 60), EVENTS.format(51, 55))
    assert filled.new() == {"items": 0, "sessions": 10, "events": 5}
    filled.ingest()
    filled.assert_lake_is_the_database()


def test_a_row_that_changed_within_the_overlap_is_pulled_again_and_those_beside_it_are_not(filled):
    filled.pull()
    filled.execute("update items set text = 'new words' where item_id = 'i3'")
    filled.execute("update events set event_type = 'purchase' where id = 40", "update events set event_type = 'x' where id = 5")
    assert filled.new() == {"items": 1, "sessions": 0, "events": 1}  # 5 lies below the overlap of a watermark that stood still
    assert filled.landed("events")[-1]["event_type"] == "purchase"
    assert filled.landed("items")[-1] == {"item_id": "i3", "text": "new words"}


def test_an_item_that_is_changed_and_changed_back_is_what_it_was(filled):
    for words in ("other", "item 3"):
        filled.pull()
        filled.ingest()
        filled.execute(f"update items set text = '{words}', updated_at = now() where item_id = 'i3'")
    filled.pull()
    filled.ingest()
    assert [item["text"] for item in filled.landed("items") if item["item_id"] == "i3"] == ["item 3", "other", "item 3"]
    filled.assert_lake_is_the_database()


def test_a_row_committed_late_is_pulled_within_the_overlap(filled):
    import psycopg

    with psycopg.connect(filled.url) as slow:
        slow.execute(SESSIONS.format(60, 60))  # its watermark is its own, older than those that commit before it
        filled.execute(SESSIONS.format(70, 80))
        assert filled.new()["sessions"] == 61
        slow.commit()
    assert filled.new()["sessions"] == 1
    assert filled.landed()[-1]["session_id"] == "s60"
    filled.execute(SESSIONS.format(300, 300))
    filled.pull()
    filled.execute(SESSIONS.format(230, 230))  # 70 seconds below the watermark: the overlap is 60
    assert filled.new()["sessions"] == 0


def test_rows_of_one_watermark_are_all_pulled_though_a_pull_ends_among_them(filled):
    filled.execute("update sessions set updated_at = '2026-11-01 12:00:00+00'", "delete from events")
    filled.configure(only_sessions("overlap: 0"))
    taken = [filled.pull(max_rows=7) for _ in range(9)]
    assert [done.tables["sessions"].rows_new for done in taken] == [7] * 7 + [1, 0]
    assert [done.has_more for done in taken] == [True] * 7 + [False, False]
    assert sorted(s["session_id"] for s in filled.landed()) == sorted(
        s for (s,) in filled.execute("select session_id from sessions")
    )


def test_a_pull_is_cut_into_files_and_lands_what_one_file_would_hold(filled):
    filled.configure(SOURCE.format(rows_per_file=8))
    done = filled.pull()
    assert [len(table.files) for table in done.tables.values()] == [3, 7, 7]
    assert filled.new() == {"items": 0, "sessions": 0, "events": 0}
    filled.ingest()
    filled.assert_lake_is_the_database()


def test_results_come_as_objects_with_ranks_in_whatever_words_and_as_plain_ids(shop):
    shop.execute(
        "create table logs (sid uuid, words text, at timestamp, shown json, ids text[], as_text text, n serial)",
        """insert into logs (sid, words, at, shown, ids, as_text) values ('00000000-0000-0000-0000-00000000000a', 'tea',
            '2026-11-01 10:00', E'[{"sku": 12345678901234567890,\n "score": 0.25}, {"sku": "b", "score": null}]', '{x,"y z"}',
            '[{"item_id": "q", "rank": 1}]')""",
    )
    names = "session_id: sid, query: words, started_at: at, results: {}"
    settings = "- {{name: {0}, url_env: SHOP_URL, sessions: {{relation: logs, watermark: n, columns: {{" + names.format("{1}")
    shop.configure(
        "\n".join(
            [
                settings.format("shop", "shown") + "}, result_keys: {item_id: sku, rank: score}}}",
                settings.format("ids", "ids") + "}}}",
                settings.format("words", "as_text") + "}}}",
            ]
        )
    )
    for source in read_sources(shop.home.path):
        database.pull(source, shop.home.lake, shop.home.landing, lambda line: None)
    found = {
        path.parent.name: json.loads(gzip.decompress(path.read_bytes())) for path in shop.home.landing.rglob("*.gz")
    }  # one line each, though the JSON had two
    assert found["shop"]["search_results"] == [{"object_id": 12345678901234567890, "rank": 0.25}, {"object_id": "b"}]
    assert found["ids"]["search_results"] == [{"object_id": "x"}, {"object_id": "y z"}]
    assert found["words"]["search_results"] == [{"object_id": "q", "rank": 1}]
    assert found["ids"]["session_id"] == "00000000-0000-0000-0000-00000000000a"
    assert found["ids"]["created_at"] == "2026-11-01T10:00:00"
    shop.ingest()
    (session,) = shop.home.lake.slice("search_sessions").to_table().to_pylist()  # the same session three times
    assert session["started_at"].isoformat() == "2026-11-01T10:00:00+00:00"


@pytest.mark.parametrize("value", ["null", "'{}'", "'7'", "'[1, null, [2], {}]'", '\'[{"rank": "NaN"}]\''])
def test_a_row_that_is_no_session_lands_all_the_same_and_is_rejected_by_the_ingestion(filled, value):
    filled.execute(f"update sessions set results = {value} where session_id = 's7'")
    filled.pull()
    filled.ingest()
    assert filled.home.lake.slice("search_sessions").row_count == 49
    (rejected,) = filled.home.lake.slice("rejected_records").to_table().to_pylist()
    assert json.loads(rejected["raw"])["session_id"] == "s7"


def test_rows_without_a_watermark_are_counted_and_said_never_passed_over(filled):
    filled.execute("update sessions set updated_at = null where session_id in ('s1', 's2')")
    filled.execute("update sessions set updated_at = 'infinity' where session_id = 's3'")
    for _ in range(2):
        done = filled.pull()
        assert done.tables["sessions"].rows_unreadable == 3
        (problem,) = done.problems
        assert re.search(r"shop: 3 rows of public.sessions cannot be pulled: updated_at must be a finite value", problem)
    said = subprocess.run(filled.command("pull"), capture_output=True, text=True, check=False)
    assert (said.returncode, "3 rows of public.sessions" in said.stderr) == (1, True)
    filled.execute("update sessions set updated_at = '2026-11-01 10:00:30+00' where session_id in ('s1', 's2', 's3')")
    assert (filled.new()["sessions"], filled.pull().problems) == (3, [])


def test_a_watermark_in_the_future_takes_nothing_with_it(filled):
    filled.execute("update sessions set updated_at = now() + interval '1 day' where session_id = 's9'")
    done = filled.pull()
    assert (done.tables["sessions"].rows_new, done.tables["sessions"].rows_waiting) == (49, 1)
    assert "1 rows of public.sessions have a updated_at in the future" in done.problems[0]
    filled.execute(SESSIONS.format(51, 52))
    assert filled.new()["sessions"] == 2
    filled.execute("update sessions set updated_at = now() where session_id = 's9'")
    assert filled.new()["sessions"] == 1
    assert filled.pull().problems == []


def test_a_column_that_is_not_there_is_told_with_those_that_are(filled):
    filled.configure(only_sessions("columns: {query: words, user_id: null}"))
    with pytest.raises(
        SourceFailed, match="sessions has no column words; its columns are session_id, query, started_at, user_id"
    ):
        filled.pull()
    filled.configure(only_sessions("overlap: 0").replace("relation: sessions", "relation: nothing.here"))
    with pytest.raises(SourceFailed, match=r"no table or view nothing\.here"):
        filled.pull()
    filled.configure(only_sessions("overlap: 0").replace("updated_at", "query"))
    with pytest.raises(SourceFailed, match=r"watermark query of sessions must be one of timestamp with .* it is text"):
        filled.pull()
    assert not filled.home.landing.exists()


def test_a_column_can_be_left_out(filled):
    filled.configure(only_sessions("columns: {user_id: null}"))
    filled.pull()
    assert {tuple(line) for line in filled.landed()} == {("session_id", "search_query", "created_at", "search_results")}


@pytest.mark.parametrize("name", ['odd "name"; drop table sessions; --', "CamelCase", "50%s"])
def test_a_name_is_only_a_name(filled, name):
    quoted = '"' + name.replace('"', '""') + '"'
    filled.execute(f"alter table sessions rename column query to {quoted}")
    filled.configure(only_sessions(f"columns: {{query: {json.dumps(name)}}}"))
    filled.pull()
    assert filled.landed()[0]["search_query"] == "query 1"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://ft_owner:{password}@127.0.0.1:1/x", "refused"),
        ("postgresql://ft_owner:{password}@127.0.0.1:{port}/absent", "does not exist"),
        ("postgresql://nobody_else:{password}@127.0.0.1:{port}/postgres", "authentication failed"),
        ("postgres//ft_owner:{password}@127.0.0.1", "SHOP_URL must hold a connection URL"),
        ("host=127.0.0.1 passwort={password}", "SHOP_URL must hold a connection URL"),
        ("", "SHOP_URL must hold a connection URL, it is not set"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_the_password(shop, url, said):
    from urllib.parse import quote

    encoded = quote(PASSWORD, safe="")
    environment = {**os.environ, "SHOP_URL": url.format(password=encoded, port=shop.server.port), "FT_ASSETS_TRACEBACK": "1"}
    done = subprocess.run(shop.command("pull"), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert said in output
    assert "shop" in output
    assert "Traceback" not in output
    assert PASSWORD not in output
    assert encoded not in output


def test_a_statement_that_takes_too_long_is_given_up_and_told(filled):
    filled.execute("create view slow as select *, pg_sleep(0.2)::text as nap from sessions")
    text = only_sessions("columns: {user_id: nap}").replace("relation: sessions", "relation: slow")
    filled.configure(text.replace("url_env", "statement_timeout: 1, url_env"))
    with pytest.raises(SourceFailed, match="shop: canceling statement due to statement timeout"):
        filled.pull()


def test_a_pull_whose_note_is_lost_lands_the_same_file_again(filled, monkeypatch):
    def lost(*arguments):
        raise OSError("the lake is away")

    with monkeypatch.context() as broken:
        broken.setattr(pulls, "note", lost)
        with pytest.raises(OSError, match="the lake is away"):
            filled.pull()
    before = sorted(filled.home.landing.rglob("*.gz"))
    assert len(before) == 1
    filled.pull()
    assert len(sorted(filled.home.landing.rglob("*.gz"))) == 3
    assert before[0] in filled.home.landing.rglob("*.gz")
    filled.ingest()
    filled.assert_lake_is_the_database()


def test_of_two_notes_of_one_number_the_second_is_refused(home):
    feed = pulls.Feed("shop", "events", "events", "id")
    pulls.note(home.lake, feed, 1, pulls.Pull(5, 1, 1, [(5, "a")], "f"))
    with pytest.raises(Overtaken, match="pull 1 of events of shop was noted by another"):
        pulls.note(home.lake, feed, 1, pulls.Pull(6, 1, 1, [(6, "b")], "g"))
    assert pulls.read_state(home.lake, feed, 2) == pulls.State(1, 5, 3, frozenset("a"))
    other = pulls.Feed("shop", "events", "events", "other_column")
    assert pulls.read_state(home.lake, other, 2) == pulls.State(1)


def test_many_pulls_are_kept_in_few_files(home, monkeypatch):
    monkeypatch.setattr(pulls, "COMPACTED_FILES", 4)
    feed = pulls.Feed("shop", "events", "events", "id")
    for number in range(1, 12):
        pulls.note(home.lake, feed, number, pulls.Pull(number, 1, 1, [(number, f"h{number}")], "f"))
    assert len(home.lake.slice("pulled_ranges").file_uris()) < 4
    assert pulls.read_state(home.lake, feed, 2) == pulls.State(11, 11, 9, frozenset({"h9", "h10", "h11"}))


def test_two_pulls_at_once_double_nothing(filled):
    filled.configure(SOURCE.format(rows_per_file=5))
    failed = []

    def work():
        try:
            filled.pull()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert filled.new() == {"items": 0, "sessions": 0, "events": 0}
    rows = filled.home.lake.slice("pulled_ranges").to_table().to_pylist()
    for feed, expected in (("items", 20), ("sessions", 50), ("events", 50)):
        mine = sorted((row["number"], row["rows_new"]) for row in rows if row["feed"] == feed)
        assert [number for number, _ in mine] == list(range(1, len(mine) + 1))
        assert sum(new for _, new in mine) == expected
    filled.ingest()
    filled.assert_lake_is_the_database()


KILLED = """
import os, signal, sys
from ft_assets import cli, landing, pulls

places = {"land": (landing, "land"), "note": (pulls, "note"), "link": (os, "link"), "compact": (pulls, "_compact")}
module, name = places[sys.argv[1]]
when, left, real = sys.argv[2], int(sys.argv[3]), getattr(module, name)

def deadly(*arguments, **options):
    global left
    left -= 1
    if when == "before" and left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*arguments, **options)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(module, name, deadly)
cli.main(["--home", sys.argv[4], "pull"], prog_name="ft-assets")
"""


@pytest.mark.long
def test_a_pull_that_is_killed_at_any_step_is_done_again_and_nothing_is_lost_or_doubled(filled):
    filled.configure(SOURCE.format(rows_per_file=15))
    steps = [(name, when) for name in ("link", "land", "note") for when in ("before", "after")] + [("compact", "before")]
    for number, (name, when) in enumerate(steps):
        first = 51 + number * 60
        filled.execute(SESSIONS.format(first, first + 59), EVENTS.format(first, first + 59))
        command = [sys.executable, "-c", KILLED, name, when, str(1 + number % 4), str(filled.home.path)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL, (name, when)
        filled.ingest()  # of what is there; it must not mislead the pull after
    filled.pull()
    assert filled.new() == {"items": 0, "sessions": 0, "events": 0}
    filled.ingest()
    filled.assert_lake_is_the_database()


@pytest.mark.long
def test_however_often_a_pull_is_killed_by_chance_the_lake_is_the_database(shop):
    chance = random.Random(4)
    shop.configure(SOURCE.format(rows_per_file=40))
    shop.execute(ITEMS)
    kills = 0
    for turn in range(8):
        shop.execute(SESSIONS.format(turn * 400 + 1, turn * 400 + 400), EVENTS.format(turn * 400 + 1, turn * 400 + 400))
        noted = shop.home.lake.slice("pulled_ranges").row_count
        process = subprocess.Popen(shop.command("pull"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        # the moments that matter are those after the first file; imports take the seconds before
        while turn % 3 and time.monotonic() < until and process.poll() is None:
            if shop.home.lake.slice("pulled_ranges").row_count > noted:
                break
        time.sleep(chance.uniform(0, 0.2 if turn % 3 else 1.5))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        if turn % 4 == 3:
            shop.ingest()
    assert kills >= 5
    assert subprocess.run(shop.command("pull"), check=True, capture_output=True).returncode == 0
    assert shop.new() == {"items": 0, "sessions": 0, "events": 0}
    shop.ingest()
    shop.assert_lake_is_the_database()
    assert shop.home.lake.slice("search_sessions").row_count == 3200


@pytest.mark.slow
def test_a_run_pulls_first_and_a_source_that_fails_stops_nothing_else_but_is_told(filled):
    away = "- {name: away, url_env: NOWHERE, items: {relation: items, watermark: id}}\n"
    filled.configure(away + SOURCE.format(rows_per_file=1000))
    done = subprocess.run(filled.command("run"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pull failed: away: the environment variable NOWHERE must hold a connection URL" in done.stderr
    assert "pulled shop: items +20 of 20 read, sessions +50 of 50 read, events +50 of 50 read" in done.stdout
    assert "pair_features 150" in done.stdout
    filled.assert_lake_is_the_database()
    filled.configure(SOURCE.format(rows_per_file=1000))
    with headless.instance_of(filled.home) as instance:
        passed = headless.run_until_nothing_is_new(filled.home, instance, lambda line: None)
    assert (passed.succeeded, passed.runs) == (True, 0)


def evaluate(home, instance):
    context = dg.build_sensor_context(instance=instance, resources={"home": HomeResource(path=str(home.path))})
    return database_sensor(context)


def test_the_sensor_requests_a_pull_where_rows_are_new_and_none_where_none_are(filled):
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = evaluate(filled.home, instance).run_requests
        (again,) = evaluate(filled.home, instance).run_requests
        assert request.run_key == again.run_key  # a crash before the request is kept asks for the same run
        job = defs.resolve_job_def("pull_job")
        done = job.execute_in_process(run_config=request.run_config, tags=dict(request.tags), instance=instance)
        (output,) = [event for event in done.all_events if event.is_successful_output]
        metadata = {name: value.value for name, value in output.step_output_data.metadata.items()}
        assert (metadata["shop/sessions/rows_new"], metadata["shop/events/rows_read"]) == (50, 50)
        assert evaluate(filled.home, instance).skip_reason.skip_message == "every row of the databases has landed"
        filled.execute(EVENTS.format(90, 90))
        (third,) = evaluate(filled.home, instance).run_requests
        assert third.run_key != request.run_key
        instance.add_run(dg.DagsterRun("pull_job", status=dg.DagsterRunStatus.STARTED, tags={PULL_TAG: "true"}))
        assert "under way" in evaluate(filled.home, instance).skip_reason.skip_message


def test_the_sensor_fails_its_tick_where_a_database_is_away_and_skips_where_there_is_none(filled, monkeypatch):
    with dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("SHOP_URL", "postgresql://a:b@127.0.0.1:1/x")
        with pytest.raises(SourceFailed, match="refused"):
            evaluate(filled.home, instance)
        (filled.home.path / "sources.yaml").unlink()
        assert re.search(r"there is no .*sources\.yaml", evaluate(filled.home, instance).skip_reason.skip_message)


def test_a_pull_run_that_fails_for_one_source_has_pulled_the_other(filled):
    away = "- {name: away, url_env: NOWHERE, items: {relation: items, watermark: id}}\n"
    filled.configure(away + SOURCE.format(rows_per_file=1000))
    with dg.DagsterInstance.ephemeral() as instance:
        done = defs.resolve_job_def("pull_job").execute_in_process(instance=instance, raise_on_error=False)
    assert not done.success
    assert len(filled.landed()) == 50


def test_rows_without_a_watermark_do_not_make_the_sensor_silent(filled):
    filled.pull()
    filled.execute("update sessions set updated_at = null where session_id = 's1'")
    with dg.DagsterInstance.ephemeral() as instance:
        assert (
            "1 rows of public.sessions cannot be pulled: updated_at" in evaluate(filled.home, instance).skip_reason.skip_message
        )


def test_without_the_library_the_extra_is_named(filled, monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "psycopg", None)
        with pytest.raises(SourceFailed, match=r"psycopg must be installed: pip install 'ft_assets\[postgres\]'"):
            filled.pull()


def test_a_text_in_no_encoding_is_told(shop, monkeypatch):
    shop.execute("create database bytes encoding 'SQL_ASCII' template template0 locale 'C'")
    try:
        shop.server.execute("bytes", TABLES[2], r"insert into items values ('i1', E'caf\xe9')")
        monkeypatch.setenv("SHOP_URL", shop.server.url("bytes"))
        shop.configure("- {name: shop, url_env: SHOP_URL, items: {relation: items, watermark: updated_at}}")
        with pytest.raises(SourceFailed, match="shop: invalid byte sequence for encoding"):
            shop.pull()
    finally:
        shop.execute("drop database bytes with (force)")


def test_the_ledger_of_pulls_is_a_table_but_no_asset(home):
    assert schemas.table_named("pulled_ranges") is schemas.PULLED_RANGES
    assert "pulled_ranges" not in {key.path[-1] for key in defs.resolve_asset_graph().get_all_asset_keys()}


def test_sources_are_pulled_by_name(filled):
    assert [source.name for source in named_sources(filled.home.path, ["shop", "shop"])] == ["shop"]
    with pytest.raises(ValueError, match="has no source other; there are shop"):
        named_sources(filled.home.path, ["other"])
    with pytest.raises(FileNotFoundError, match=r"sources\.yaml"):
        named_sources(Home(filled.home.path / "else").path, [])
