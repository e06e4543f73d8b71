#!/usr/bin/env python3
"""An embeddings service of OpenAI's shape over a local sentence-transformers model, for tests.

    embedding_server.py --model <folder> --port <n>

Port 0 takes a free one. Prints one line, `ready <port>`, once it listens on 127.0.0.1.

* `POST /v1/embeddings`: `{model, input: text | [texts], encoding_format: float | base64}`
* `GET /v1/models`: the one model, named after its folder
* `GET /_count`: `{"requests": n, "texts": n}` of the embeddings served so far; needs no key

Any `Authorization` header is accepted and its absence is 401, as a vendor would answer.
"""

import argparse
import base64
import http.server
import json
import pathlib
import threading

from minilm import Model


class BadRequest(Exception):
    """The client's mistake; its text is the answer's message."""


class Service:
    """The model and how often it was asked."""

    def __init__(self, folder):
        self.model = Model(folder)
        self.name = pathlib.Path(folder).resolve().name
        self.lock = threading.Lock()
        self.requests = 0
        self.texts = 0

    def embeddings(self, request):
        """The answer to a parsed body of `POST /v1/embeddings`."""
        if not isinstance(request, dict):
            raise BadRequest("the body must be a JSON object")
        texts = read_texts(request.get("input"))
        encoding = request.get("encoding_format", "float")
        if encoding not in ("float", "base64"):
            raise BadRequest("'encoding_format' must be 'float' or 'base64'")
        vectors, tokens = self.model.embed(texts)
        with self.lock:
            self.requests += 1
            self.texts += len(texts)
        data = [
            {"object": "embedding", "index": index, "embedding": encode(vector, encoding)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        model = request.get("model", self.name)
        return {"object": "list", "data": data, "model": model, "usage": usage}

    def models(self):
        """The answer to `GET /v1/models`."""
        model = {"id": self.name, "object": "model", "created": 0, "owned_by": "local"}
        return {"object": "list", "data": [model]}

    def count(self):
        """The answer to `GET /_count`."""
        with self.lock:
            return {"requests": self.requests, "texts": self.texts}


def read_texts(value):
    """The texts of `input`, which is one or a list."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise BadRequest("'input' must be a string or a list of strings that is not empty")
    return texts


def encode(vector, encoding):
    """As the client asked: numbers, or little-endian float32 in base64."""
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. `service` is set by `main`."""

    service: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/_count":
            self.reply(200, self.service.count())
        elif self.path == "/v1/models":
            if self.authorised():
                self.reply(200, self.service.models())
        else:
            self.fail(404, f"no such path: {self.path}")

    def do_POST(self):
        # Read before any answer: what stays unread would be taken for the next request.
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.authorised():
            return
        if self.path != "/v1/embeddings":
            self.fail(404, f"no such path: {self.path}")
            return
        try:
            self.reply(200, self.service.embeddings(json.loads(body)))
        except (BadRequest, ValueError) as problem:
            self.fail(400, str(problem))

    def authorised(self):
        if self.headers.get("Authorization"):
            return True
        self.fail(401, "You didn't provide an API key.")
        return False

    def fail(self, status, message):
        kind = "invalid_request_error"
        error = {"message": message, "type": kind, "param": None, "code": None}
        self.reply(status, {"error": error})

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Silent: the test's output is the test's."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a sentence-transformers model folder")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    arguments = parser.parse_args()
    Handler.service = Service(arguments.model)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    server.daemon_threads = True
    print(f"ready {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
