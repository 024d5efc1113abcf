"""The sensors of alerts on real runs: what a local server is sent, and what it never is."""

import json
import shutil

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from deltalake import write_deltalake

from ft_assets import engine, headless
from ft_assets.definitions import defs
from ft_assets.defs.alerts import ALERT_SENSORS, AlertsNotSentError, _is_ours, failed_check_alerts
from ft_assets.defs.gates import HEADLESS, failed_gates
from ft_assets.defs.requests import FIRST_KEY
from ft_assets.lake import Home
from ft_assets_tests.alert_receiver import URL, receiver
from ft_assets_tests.builders import misaligned
from ft_assets_tests.conftest import HASHING
from ft_assets_tests.defs.ticks import click, evaluate, ingest_all, session, write

DAY = "2026-11-01"
MARKER = "marker-of-a-person"
WEBHOOK = f"base_url: https://dagster.example\ntargets: [{{webhook: {{url_env: {URL}}}}}]\n"


@pytest.fixture
def server(monkeypatch, home):
    """A server that the home's alerts go to."""
    (home.path / "alerts.yaml").write_text(WEBHOOK)
    with receiver(monkeypatch) as there:
        yield there


class Ticks:
    """Both sensors on a home, each with its cursor; the first tick of each is over."""

    def __init__(self, home, instance):
        self.home, self.instance, self.cursors = home, instance, {}
        for sensor in ALERT_SENSORS:
            self.of(sensor)

    def of(self, sensor, keeps_cursor=True):
        result = evaluate(sensor, self.home, self.instance, self.cursors.get(sensor.name))
        if keeps_cursor:
            self.cursors[sensor.name] = result.cursor
        return result.skip_reason.skip_message

    def both(self):
        return [self.of(sensor) for sensor in ALERT_SENSORS]


def run(instance, job=None, day=DAY, **options):
    """A run of the first table of a day alone."""
    job = job or defs.resolve_job_def("features_job")
    return job.execute_in_process(
        run_config={**HASHING, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        instance=instance,
        partition_key=day,
        asset_selection=[dg.AssetKey("fine_tuning_inputs")],
        raise_on_error=False,
        **options,
    )


def break_inputs(monkeypatch):
    def broken(*arguments):
        raise RuntimeError(f"no rank for {MARKER}")

    monkeypatch.setattr(engine, "fine_tuning_inputs", broken)


@pytest.fixture(scope="module")
def log_of_two_days(tmp_path_factory):
    """A home that has ingested two days; on the second, a result without a text."""
    home = Home(tmp_path_factory.mktemp("ingested"))
    write(home, "items/catalogue.ndjson.gz", *({"item_id": f"i{k}", "text": f"item {k}"} for k in range(4)))
    marked = {**session(0, 5), "session_id": MARKER, "search_query": MARKER}
    textless = {**session(1, 7), "search_results": [{"object_id": "no text"}]}
    write(home, "embedding_studio/log.ndjson.gz", session(0), session(0, 1), click(0), marked, session(1), click(1), textless)
    ingest_all(home)
    return home


@pytest.fixture
def ingested(home, log_of_two_days, instance):
    shutil.copytree(log_of_two_days.path, home.path, dirs_exist_ok=True)
    instance.add_dynamic_partitions("session_date", [DAY, "2026-11-02"])
    return home


def test_a_failed_run_is_told_once_however_it_was_launched(ingested, instance, server, monkeypatch):
    ticks = Ticks(ingested, instance)
    break_inputs(monkeypatch)
    failed = run(instance)
    assert not failed.success
    assert ticks.both() == [f"webhook {URL} took 1", "nothing new to tell"]
    by_hand = run(instance, defs.resolve_implicit_global_asset_job_def())
    ticks.both()
    assert ticks.both() == ["nothing new to tell"] * 2
    first, second = server.bodies
    assert first["title"] == f"features_job failed for {DAY}: RuntimeError in fine_tuning_inputs"
    assert (first["kind"], first["severity"], first["days"], first["steps"]) == (
        "run_failure", "ERROR", [DAY], ["fine_tuning_inputs"],
    )  # fmt: skip
    assert (first["run_ids"], first["link"]) == ([failed.run_id], f"https://dagster.example/runs/{failed.run_id}")
    assert (second["job"], second["run_ids"]) == ("__ASSET_JOB", [by_hand.run_id])
    assert MARKER not in str([body for _, body in server.requests])


def test_a_blocking_check_is_told_by_the_check_and_not_by_its_run_too_and_again_when_it_passes(
    ingested, instance, server, monkeypatch
):
    ticks = Ticks(ingested, instance)
    with monkeypatch.context() as patched:
        patched.setattr(engine, "fine_tuning_inputs", misaligned(engine.fine_tuning_inputs))
        failed = run(instance)
    assert not failed.success
    assert ticks.both()[0] == "nothing new to tell"
    told = {body["check"]: body for body in server.bodies}
    broken = {e.check_name for e in failed.get_asset_check_evaluations() if not e.passed}
    assert set(told) == broken
    aligned = told["lists_are_aligned"]
    assert (aligned["kind"], aligned["severity"], aligned["days"]) == ("failed_check", "ERROR", [DAY])
    assert (aligned["rows"], aligned["run_ids"]) == (3, [failed.run_id])
    assert run(instance).success
    ticks.both()
    again = server.bodies[len(told) :]
    assert {(body["kind"], body["check"]) for body in again} == {("recovered", check) for check in broken}
    assert ticks.both() == ["nothing new to tell"] * 2
    assert MARKER not in str([body for _, body in server.requests])


def test_a_check_that_only_warns_is_told_as_a_warning(ingested, instance, server):
    ticks = Ticks(ingested, instance)
    assert run(instance, day="2026-11-02").success
    ticks.both()
    (told,) = [body for body in server.bodies if body["check"] == "results_have_texts"]
    assert (told["severity"], told["days"]) == ("WARN", ["2026-11-02"])
    assert told["title"] == "fine_tuning_inputs.results_have_texts warns for 2026-11-02"


def test_a_check_made_outside_of_a_run_is_told_and_no_row_of_it_is(ingested, instance, server):
    ticks = Ticks(ingested, instance)
    rows = ingested.lake.slice("search_sessions").to_table()
    planted = rows.filter(_is(rows, MARKER))
    write_deltalake(ingested.lake.open("search_sessions"), planted, mode="append")
    assert "search_sessions.sessions_are_unique" in failed_gates(ingested, instance)
    assert MARKER in _examples(instance)
    ticks.both()
    told = {f"{body['table']}.{body['check']}": body for body in server.bodies}
    unique = told["search_sessions.sessions_are_unique"]
    assert (unique["severity"], unique["rows"], unique["days"], unique["run_ids"]) == ("ERROR", 1, [], [])
    assert MARKER not in str([body for _, body in server.requests])
    failed_gates(ingested, instance)
    assert ticks.both() == ["nothing new to tell"] * 2


def _is(rows, session_id):
    import pyarrow.compute as pc

    return pc.equal(rows["session_id"], session_id)


def _examples(instance):
    keys = [dg.AssetCheckKey(dg.AssetKey("search_sessions"), "sessions_are_unique")]
    (record,) = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys).values()
    return str(record.evaluation.metadata)


def evaluated(instance, day, rows=1, table="pair_features"):
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(table),
            check_name="pairs_are_unique",
            passed=rows == 0,
            metadata={"violations": rows},
            partition=day,
        )
    )


def test_thirty_days_that_fail_are_one_message_and_what_was_before_the_first_tick_is_none(home, instance, server):
    evaluated(instance, "2026-10-31")
    ticks = Ticks(home, instance)
    for day in range(1, 31):
        evaluated(instance, f"2026-11-{day:02}")
    evaluated(instance, "2026-11-01", table="of_another_location")
    ticks.both()
    (body,) = server.bodies
    assert body["title"] == "pair_features.pairs_are_unique failed for 2026-11-01 to 2026-11-30"
    assert (body["rows"], len(body["days"])) == (30, 30)
    assert body["link"] == "https://dagster.example/assets/pair_features?view=checks&checkDetail=pairs_are_unique"


def test_what_sums_up_the_days_of_a_table_is_told_with_its_days_and_not_beside_them(home, instance, server):
    ticks = Ticks(home, instance)
    evaluated(instance, None, rows=2)  # as the UI's "Execute all" leaves it
    evaluated(instance, DAY, rows=2)
    ticks.both()
    assert [(body["rows"], body["days"]) for body in server.bodies] == [(2, [DAY])]
    evaluated(instance, None, rows=0)
    ticks.both()
    assert len(server.bodies) == 1


def test_a_server_that_is_down_fails_the_tick_and_is_told_when_it_is_up_and_the_log_once(home, instance, server, caplog):
    (home.path / "alerts.yaml").write_text(WEBHOOK.replace("[{", "[{log: {}}, {"))
    ticks = Ticks(home, instance)
    server.answers = [404] * 2
    evaluated(instance, DAY)
    assert "log took 1; " in ticks.of(failed_check_alerts)
    with pytest.raises(AlertsNotSentError, match=r"1 not delivered yet: 127.0.0.1:\d+: HTTP 404"):
        ticks.of(failed_check_alerts)
    assert ticks.of(failed_check_alerts) == f"webhook {URL} took 1"
    assert ticks.of(failed_check_alerts) == "nothing new to tell"
    assert [record.name for record in caplog.records].count("ft_assets.alerts") == 1
    assert {body["key"] for body in server.bodies} == {server.bodies[0]["key"]}


def test_a_tick_that_was_killed_before_its_cursor_was_kept_sends_again_under_the_same_key(home, instance, server):
    ticks = Ticks(home, instance)
    evaluated(instance, DAY)
    ticks.of(failed_check_alerts, keeps_cursor=False)
    ticks.of(failed_check_alerts)
    first, again = server.bodies
    assert first == again


def test_a_file_that_says_nonsense_fails_the_tick_and_loses_nothing(home, instance, server):
    ticks = Ticks(home, instance)
    evaluated(instance, DAY)
    (home.path / "alerts.yaml").write_text("targets: [{webhook: {}}]")
    with pytest.raises(ValueError, match=r"alerts.yaml: target 1, webhook.url_env: Field required"):
        ticks.of(failed_check_alerts)
    (home.path / "alerts.yaml").write_text(WEBHOOK)
    ticks.of(failed_check_alerts)
    assert len(server.bodies) == 1


def headless_run(instance):
    done = headless.Pass()
    request = dg.RunRequest(
        job_name="features_job", partition_key=DAY, asset_selection=[dg.AssetKey("fine_tuning_inputs")], run_config=HASHING
    )
    headless._run(instance, request, done, lambda line: None)
    return done


def test_the_runs_and_checks_of_the_command_line_are_told_from_the_instance_of_the_home(ingested, server, monkeypatch):
    with headless.instance_of(ingested) as instance:  # it keeps a file for each run, with ids of its own, beside its index
        instance.add_dynamic_partitions("session_date", [DAY])
        ticks = Ticks(ingested, instance)
        for _ in range(3):
            evaluated(instance, None, rows=0)
        with monkeypatch.context() as patched:
            patched.setattr(engine, "fine_tuning_inputs", misaligned(engine.fine_tuning_inputs))
            assert headless_run(instance).failed_checks
        break_inputs(monkeypatch)
        failed = headless_run(instance)
        assert len(failed.failed) == 1
        died = dg.DagsterRun("features_job", status=dg.DagsterRunStatus.STARTED, tags={"dagster/max_retries": "2"})
        again = {FIRST_KEY: "a@1", "dagster/run_key": "a@1#3", "dagster/partition": DAY, "dagster/max_retries": "0"}
        given_up = dg.DagsterRun("features_job", status=dg.DagsterRunStatus.STARTED, tags=again)
        for run_ in (died, given_up):
            instance.add_run(run_)
            instance.report_run_failed(run_, f"the process that worked on {MARKER} is gone")
        ticks.both()
        assert ticks.both() == ["nothing new to tell"] * 2
    checks = {body["check"] for body in server.bodies if body["kind"] == "failed_check"}
    assert "lists_are_aligned" in checks
    of_ours, retried, last = [body for body in server.bodies if body["kind"] == "run_failure"]
    assert (of_ours["severity"], of_ours["run_ids"], of_ours["steps"]) == ("ERROR", list(failed.failed), ["fine_tuning_inputs"])
    assert (retried["severity"], retried["message"].splitlines()[-1]) == ("WARN", "Dagster tries it again.")
    assert (last["severity"], last["days"]) == ("ERROR", [DAY])
    assert "Attempt 3 of 3: it is not asked for again" in last["message"]
    assert MARKER not in json.dumps(server.bodies)


def test_only_the_runs_of_the_location_and_of_the_command_line_are_told():
    def run_of(location, **tags):
        place = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name=location), location_name=location)
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(place, "__repository__"), "a_job")
        return dg.DagsterRun("a_job", remote_job_origin=origin if location else None, tags=tags)

    told = [run_of("ft_assets"), run_of("others"), run_of(""), run_of("", **{HEADLESS: "true"})]
    assert [_is_ours(run, "ft_assets") for run in told] == [True, False, False, True]


def test_both_sensors_are_off_until_they_are_switched_on_and_say_what_they_do():
    for sensor in ALERT_SENSORS:
        assert defs.resolve_sensor_def(sensor.name).default_status == dg.DefaultSensorStatus.STOPPED
        assert "alerts.yaml" in sensor.description
