"""One HTTP call, bounded in time, whose answer keeps status, headers and bytes."""

import http.client
import json
import urllib.parse
from dataclasses import dataclass


@dataclass
class Answer:
    """What came back; header names are lower case."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def connect(url, timeout=10):
    """Opens a connection to the URL's host; answers it and the path to ask for."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
    path = parts.path or "/"
    return connection, f"{path}?{parts.query}" if parts.query else path


def call(method, url, body=None, headers=None, timeout=10):
    """Sends one request. A body that is not bytes or text is sent as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        headers.setdefault("content-type", "application/json")
    if isinstance(body, str):
        body = body.encode()
    connection, path = connect(url, timeout)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        lower = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, lower, response.read())
    finally:
        connection.close()


def expect(method, url, body=None, headers=None, timeout=10, status=(200, 201, 202, 204)):
    """Like `call`, but any other status is an error that shows what was said."""
    answer = call(method, url, body, headers, timeout)
    if answer.status not in status:
        raise AssertionError(f"{method} {url} answered {answer.status}: {answer.text[:800]}")
    return answer
