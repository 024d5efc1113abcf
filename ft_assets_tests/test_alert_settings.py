"""``alerts.yaml`` says what it means, or says what is wrong with it, and never repeats a secret."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ft_assets import cli
from ft_assets.alert_settings import read_alerts
from ft_assets.alert_webhook import Webhook
from ft_assets.alerts import FunctionTarget, LogTarget
from ft_assets_tests.alert_receiver import URL, alert, receiver

SOUND = """
base_url: https://dagster.example/
targets:
  - log: {}
  - webhook: {url_env: ALERT_URL, format: slack, at_least: ERROR, headers: {X-Team: search}}
  - python: {function: "my_alerts:send", kinds: [run_failure], tables: [items, pair_features]}
"""


def written(folder, text):
    (folder / "alerts.yaml").write_text(text)
    return folder


def test_a_home_without_the_file_tells_the_log_alone(tmp_path):
    for home in (tmp_path, written(tmp_path, "")):
        settings = read_alerts(home)
        assert [(channel.name, type(channel.target)) for channel in settings.channels] == [("log", LogTarget)]
        assert settings.base_url is None


def test_what_the_file_says_is_what_is_told(tmp_path):
    settings = read_alerts(written(tmp_path, SOUND))
    log, webhook, python = settings.channels
    assert settings.base_url == "https://dagster.example"
    assert [channel.name for channel in settings.channels] == ["log", "webhook ALERT_URL", "python my_alerts:send"]
    assert webhook.target == Webhook("ALERT_URL", "slack", headers={"X-Team": "search"})
    assert isinstance(python.target, FunctionTarget)
    failure = {"kind": "run_failure", "table": None, "check": None}
    for told, who in [
        (alert(), [log, webhook]),
        (alert(severity="WARN"), [log]),
        (alert(kind="recovered"), [log, webhook]),
        (alert(**failure, steps=("pair_features",)), [log, webhook, python]),
        (alert(**failure, steps=("items_checks", "sampled_inputs")), [log, webhook, python]),
        (alert(**failure, steps=("ingestion",)), [log, webhook, python]),
        (alert(**failure, steps=("sampled_inputs",)), [log, webhook]),
        (alert(**failure, steps=()), [log, webhook, python]),
        (alert(**failure, severity="WARN"), [log, python]),
    ]:
        assert [channel for channel in settings.channels if channel.wants(told)] == who, told


def test_two_webhooks_of_one_variable_need_names_of_their_own(tmp_path):
    two = "targets: [{webhook: {url_env: A}}, {webhook: {url_env: A, name: errors, at_least: ERROR}}]"
    assert [channel.name for channel in read_alerts(written(tmp_path, two)).channels] == ["webhook A", "errors"]
    with pytest.raises(ValueError, match="webhook A is there twice; give one of them a name"):
        read_alerts(written(tmp_path, two.replace("name: errors, ", "")))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "url_env: ALERT_URL",
            "url: https://hooks.example/hunter2",
            r"target 2, webhook.url: secrets never stand in this file",
        ),
        (
            "url_env: ALERT_URL",
            "url_env: https://hooks.example/hunter2",
            r"webhook.url_env: must be the name of an environment",
        ),
        ("url_env: ALERT_URL, ", "", r"target 2, webhook.url_env: Field required"),
        ("format: slack", "format: teams", r"webhook.format: Input should be 'json' or 'slack'"),
        ("format: slack", "secret: hunter2", r"webhook.secret: secrets never stand in this file"),
        ("format: slack", "secret_env: hunter 2", r"webhook.secret_env: must be the name of an environment variable"),
        (
            "format: slack",
            "headers_env: {Authorization: Bearer hunter2}",
            r"headers_env.Authorization: must be the name of an env",
        ),
        ("format: slack", "timeout: 60", r"webhook.timeout: Input should be less than or equal to 15"),
        (
            "format: slack",
            "formats: slack",
            r"webhook.formats: unknown key; the keys are name, at_least, kinds, tables, url_env",
        ),
        ("X-Team: search", "Authorization: hunter2", r"webhook.headers: Authorization looks like a secret.*headers_env"),
        ("at_least: ERROR", "at_least: FATAL", r"webhook.at_least: Input should be 'WARN' or 'ERROR'"),
        ("my_alerts:send", "my_alerts.send", r"target 3, python.function: must be 'module:function'"),
        ("[run_failure]", "[run_failed]", r"python.kinds.0: Input should be 'run_failure', 'failed_check' or 'recovered'"),
        ("[run_failure]", "[]", r"python.kinds: List should have at least 1 item"),
        ("pair_features]", "pairs]", r"python.tables: there is no table pairs; the tables are search_sessions, "),
        ("- log: {}", "- log: [1]", r"target 1, log: its settings must be a mapping"),
        ("- log: {}", "- slack: {}", r"target 1 must be one of log, webhook, python with its settings below it"),
        ("- log: {}", "- {log: {}, python: {}}", r"target 1 must be one of log, webhook, python"),
        ("- log: {}", "- log", r"target 1 must be one of log, webhook, python"),
        ("- log: {}", "- log: {", r"is no YAML: see line"),
        ("https://dagster.example/", "dagster.example", r"base_url must be the address of Dagster's UI"),
        ("https://dagster.example/", "https://me:hunter2@dagster.example", r"base_url must be the address of Dagster's UI"),
        ("base_url:", "baseurl:", r"must be a mapping with the keys base_url and targets"),
        (SOUND, "targets: []", r"targets must be a list of at least one target"),
        (SOUND, "- log: {}", r"must be a mapping with the keys base_url and targets"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_place(tmp_path, old, new, said):
    assert old in SOUND
    with pytest.raises(ValueError, match=said) as error:
        read_alerts(written(tmp_path, SOUND.replace(old, new, 1)))
    assert str(tmp_path / "alerts.yaml") in str(error.value)
    assert not re.search("hunter.?2", str(error.value))


def test_the_example_of_the_docs_is_a_file_of_alerts_and_its_body_has_the_fields_of_one(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "alerts.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M)
    names = [channel.name for channel in read_alerts(written(tmp_path, example)).channels]
    assert names == ["log", "webhook FT_ASSETS_ALERT_URL", "on call", "python my_alerts:send"]
    (body,) = re.findall(r"^```json\n(.*?)^```", page, re.S | re.M)
    assert json.loads(body).keys() == alert().as_dict().keys()


def test_the_command_tries_every_target_whatever_its_filters_and_says_which_failed(tmp_path, monkeypatch):
    text = f"targets: [{{log: {{at_least: ERROR}}}}, {{webhook: {{url_env: {URL}}}}}, {{python: {{function: 'math:no_such'}}}}]"
    with receiver(monkeypatch) as server:
        one_fails = CliRunner().invoke(cli.main, ["--home", str(written(tmp_path, text)), "alert-test"])
        written(tmp_path, f"targets: [{{webhook: {{url_env: {URL}, kinds: [run_failure]}}}}]")
        none_fails = CliRunner().invoke(cli.main, ["--home", str(tmp_path), "alert-test"])
    assert (one_fails.exit_code, none_fails.exit_code) == (1, 0)
    assert one_fails.output.splitlines() == [
        "ok      log",
        f"ok      webhook {URL}",
        "FAILED  python math:no_such: math:no_such cannot be imported (AttributeError)",
    ]
    assert [body["kind"] for body in server.bodies] == ["test", "test"]
    written(tmp_path, "targets: []")
    mistaken = CliRunner().invoke(cli.main, ["--home", str(tmp_path), "alert-test"])
    assert mistaken.exit_code == 1
    assert "targets must be a list of at least one target" in mistaken.output
