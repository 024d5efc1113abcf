"""The webhook, against a server in this process."""

import hashlib
import hmac
import logging
import socket
import time
import traceback
from email.utils import formatdate

import pytest

from ft_assets import alert_webhook
from ft_assets.alert_webhook import Webhook
from ft_assets.alerts import NotDeliveredError
from ft_assets_tests.alert_receiver import URL, alert, receiver


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(alert_webhook, "FIRST_PAUSE", 0.01)
    with receiver(monkeypatch) as there:
        yield there


def test_an_alert_arrives_as_json_under_its_key(server):
    Webhook(URL, headers={"X-Team": "search"}).send(alert())
    ((headers, _),) = server.requests
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == alert().key
    assert headers["X-Team"] == "search"
    (body,) = server.bodies
    assert body == alert().as_dict()
    assert (body["schema"], body["kind"], body["severity"]) == (1, "failed_check", "ERROR")
    assert (body["table"], body["check"], body["when"]) == ("items", "items_are_unique", "2026-11-22T12:00:00+00:00")


def test_the_slack_format_is_a_text_in_which_no_character_is_markup(server):
    Webhook(URL, format="slack").send(alert(link="https://dagster.example/runs/1"))
    (body,) = server.bodies
    assert body == {
        "text": "ERROR: items.items_are_unique failed\n2 rows break the rule: min &lt; max &amp; more\n"
        "https://dagster.example/runs/1"
    }


def test_a_receiver_that_knows_the_secret_can_tell_that_the_body_is_ours(server, monkeypatch):
    monkeypatch.setenv("ALERT_SECRET", "a secret of this test")
    monkeypatch.setenv("ALERT_TOKEN", "Bearer abc")
    Webhook(URL, secret_env="ALERT_SECRET", headers_env={"Authorization": "ALERT_TOKEN"}).send(alert(title="naïve"))
    ((headers, body),) = server.requests
    expected = hmac.new(b"a secret of this test", body, hashlib.sha256).hexdigest()
    assert headers["X-FT-Assets-Signature"] == f"sha256={expected}"
    assert headers["Authorization"] == "Bearer abc"


@pytest.mark.parametrize("answers", [[500], [503, 500], [408], [429], [0.0], [(429, {"Retry-After": "0"})]])
def test_what_may_pass_is_tried_again(server, answers):
    server.answers = list(answers)
    Webhook(URL).send(alert())
    assert len(server.requests) == len(answers) + 1
    assert len({headers["Idempotency-Key"] for headers, _ in server.requests}) == 1


def test_retry_after_is_waited_for(server):
    server.answers = [(429, {"Retry-After": "1"})]
    began = time.monotonic()
    Webhook(URL).send(alert())
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("600", 600), (600.0, 600), ("soon", None)],
    ids=["seconds", "a date", "neither"],  # workers must collect the same names
)
def test_a_wait_too_long_for_a_tick_is_handed_on(server, header, seconds):
    header = formatdate(time.time() + header, usegmt=True) if isinstance(header, float) else header
    server.answers = [(429, {"Retry-After": header})] * 3
    with pytest.raises(NotDeliveredError, match="HTTP 429") as error:
        Webhook(URL).send(alert())
    if seconds is None:
        assert (error.value.retry_after, len(server.requests)) == (None, 3)
    else:
        assert error.value.retry_after == pytest.approx(seconds, abs=60)
        assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [400, 401, 404, 410, (302, {"Location": "/elsewhere"})])
def test_what_is_refused_is_not_tried_again_and_no_redirect_is_followed(server, answer):
    server.answers = [answer]
    with pytest.raises(NotDeliveredError, match=f"127.0.0.1:.*: HTTP {answer if isinstance(answer, int) else 302}$") as error:
        Webhook(URL).send(alert())
    assert len(server.requests) == 1
    assert error.value.is_of_this_one == (answer == 400)  # the others are about the place: no alert would be taken


def test_it_gives_up_after_three_attempts(server):
    server.answers = [500] * 9
    with pytest.raises(NotDeliveredError, match=r"HTTP 500 \(3 attempts\)"):
        Webhook(URL).send(alert())
    assert len(server.requests) == 3


def test_a_server_that_says_nothing_is_not_waited_for(server):
    server.answers = [0.5] * 3
    with pytest.raises(NotDeliveredError, match=r"no answer \(TimeoutError\) \(3 attempts\)"):
        Webhook(URL, timeout=0.05).send(alert())


def test_a_server_that_is_not_there_is_told_by_its_name_alone(monkeypatch):
    monkeypatch.setattr(alert_webhook, "FIRST_PAUSE", 0.01)
    with socket.socket() as unused:  # bound and not listening: connections are refused
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setenv(URL, f"http://127.0.0.1:{port}/services/s3cr3t-path")
        with pytest.raises(NotDeliveredError) as error:
            Webhook(URL).send(alert())
    assert str(error.value) == f"127.0.0.1:{port}: no connection (ConnectionRefusedError) (3 attempts)"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, f"{URL} is not set"),
        ("", f"{URL} is not set"),
        ("file:///etc/s3cr3t", "begins with https"),
        ("hooks.example/s3cr3t", "begins with https"),
        ("https://user:s3cr3t@hooks.example", "no user or password"),
        ("http://127.0.0.1:1/s3cr3t path", "no request can be made"),
    ],
)
def test_a_url_that_cannot_be_is_told_without_it(monkeypatch, url, said):
    monkeypatch.delenv(URL, raising=False)
    if url is not None:
        monkeypatch.setenv(URL, url)
    with pytest.raises(NotDeliveredError, match=said) as error:
        Webhook(URL).send(alert())
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize(("answers", "said"), [([500] * 3, "HTTP 500"), ([404], "HTTP 404"), ([0.1] * 3, "TimeoutError")])
def test_neither_logs_nor_errors_hold_the_secret_path_of_the_url(server, caplog, monkeypatch, answers, said):
    monkeypatch.setenv("ALERT_SECRET", "s3cr3t-key")
    caplog.set_level(logging.DEBUG)
    webhook = Webhook(URL, secret_env="ALERT_SECRET", timeout=0.05)
    webhook.send(alert())
    server.answers = answers
    with pytest.raises(NotDeliveredError, match=said) as error:
        webhook.send(alert())
    assert "s3cr3t" not in "".join(traceback.format_exception(error.value))
    assert "s3cr3t" not in caplog.text
