"""A local server that alerts are sent to, and an alert to send."""

import datetime as dt
import http.server
import json
import threading
import time
from contextlib import contextmanager

from ft_assets.alerts import Alert

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
URL = "FT_ASSETS_TEST_ALERT_URL"


class Receiver:
    """What came, and what is answered: the answers in turn, then 200.

    An answer is a status, a status with headers, or the seconds to say nothing for.
    """

    def __init__(self):
        self.requests, self.answers, self.url = [], [], ""

    @property
    def bodies(self):
        return [json.loads(body) for _, body in self.requests]

    def answer(self):
        return self.answers.pop(0) if self.answers else 200


@contextmanager
def receiver(monkeypatch):
    """A server in a thread whose URL stands in the variable ``URL``."""
    there = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            there.requests.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            answer = there.answer()
            if isinstance(answer, float):
                time.sleep(answer)
                self.close_connection = True
                return
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    there.url = f"http://127.0.0.1:{server.server_port}/services/s3cr3t-path"
    monkeypatch.setenv(URL, there.url)
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def alert(**fields):
    """A failed check, unless said otherwise."""
    said = {
        "kind": "failed_check",
        "severity": "ERROR",
        "title": "items.items_are_unique failed",
        "message": "2 rows break the rule: min < max & more",
        "when": NOW,
        "events": (7,),
        "table": "items",
        "check": "items_are_unique",
    }
    return Alert(**{**said, **fields})
