#!/usr/bin/env python3
"""Measures what the semantic cache costs: an exact hit against `GET /health`, and the CPU time that it
adds to a miss, also when similar questions are looked for. Started by `make bench` after bench.py, with the
same binaries.
"""

import argparse
import http.client
import json
import os
import random
import re
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench import GATEWAY_PORT, MOCK_PORT, VIRTUAL_KEY, Process, admin, body, quantile, setup_gateway, wait_for

CACHED = "vk-cached"
# Looks for similar questions as well.
SIMILAR = "vk-similar"
QUESTIONS = Path(__file__).parent.parent / "tests/cache/pairs.json"
CHAT = "/v1/chat/completions"
# Mebibytes, few enough to be filled in some seconds.
MAX_SIZE = 24


def ask(connection, method, path, text, headers):
    """Milliseconds to the complete answer, and what the cache says of it."""
    start = time.perf_counter()
    connection.request(method, path, text, headers)
    answer = connection.getresponse()
    answer.read()
    taken = (time.perf_counter() - start) * 1000
    if answer.status != 200:
        raise SystemExit(f"{method} {path}: {answer.status}")
    return taken, answer.getheader("cache-status") or ""


def exact_hit(count):
    """Milliseconds that an exact hit takes longer than GET /health, p50 and p99, asked in turns."""
    connection = http.client.HTTPConnection("127.0.0.1", GATEWAY_PORT, timeout=5)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    headers = {"content-type": "application/json", "x-bf-vk": CACHED}
    text = body(300)
    ask(connection, "POST", CHAT, text, headers)
    health, hits = [], []
    for _ in range(count):
        health.append(ask(connection, "GET", "/health", None, {})[0])
        taken, status = ask(connection, "POST", CHAT, text, headers)
        if "; hit" not in status:
            raise SystemExit(f"no hit: {status}")
        hits.append(taken)
    return [quantile(hits, q) - quantile(health, q) for q in (0.5, 0.99)]


class Load:
    """Requests in rounds: one on each connection, then all of the answers. Every one asks another question."""

    # Of all loads, so that no question is asked twice.
    asked = 0

    def __init__(self, text, streams, connections):
        self.head, self.tail = text.split("QUESTION")
        self.end = b"0\r\n\r\n" if streams else None
        self.connections = []
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", GATEWAY_PORT), timeout=10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.append(connection)

    def rounds(self, key, count):
        """What the last request was answered, headers and all."""
        answer = b""
        for _ in range(count):
            for connection in self.connections:
                connection.sendall(self.request(key))
            for connection in self.connections:
                answer = self.answer(connection)
        return answer

    def request(self, key):
        Load.asked += 1
        text = f"{self.head}{Load.asked:09}{self.tail}"
        return (f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-bf-vk: {key}\r\n"
                f"content-length: {len(text)}\r\n\r\n{text}").encode()

    def answer(self, connection):
        answer = b""
        while not self.is_complete(answer):
            more = connection.recv(65_536)
            if not more:
                raise SystemExit(f"the connection was closed: {answer[:500]}")
            answer += more
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the load failed: {answer[:500]}")
        return answer

    def is_complete(self, answer):
        if self.end:
            return answer.endswith(self.end)
        headers, _, content = answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", headers.lower())
        return bool(length) and len(content) >= int(length[1])

    def close(self):
        for connection in self.connections:
            connection.close()


def cpu_us(pids):
    """Microseconds of processor time that processes have taken: Linux's CPU clock of each."""
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids) / 1000


def miss_costs(pids, size, streams, connections, keys, seconds):
    """CPU microseconds of a request with each of two keys, and what the second is to the first.

    Turns of a few milliseconds, the first key of each pair the second of the next: whoever shares the machine
    disturbs both alike. The median counts, and of the difference that of the pairs.
    """
    text = body(size, streams).replace("The quick brown fox said", "QUESTION fox said", 1)
    load = Load(text, streams, connections)
    rounds = max(1, 100 // connections)
    costs = [[], []]
    try:
        for key in keys:
            load.rounds(key, 500 // connections)
        end = time.monotonic() + seconds
        turn = 0
        while time.monotonic() < end:
            for which in (0, 1) if turn % 2 == 0 else (1, 0):
                before = cpu_us(pids)
                answer = load.rounds(keys[which], rounds)
                costs[which].append((cpu_us(pids) - before) / rounds / connections)
                if (keys[which] == CACHED) != (b"fwd=miss" in answer):
                    raise SystemExit(f"not what was to be measured: {answer[:500]}")
            turn += 1
    finally:
        load.close()
    off = statistics.median(costs[0])
    more = statistics.median(on - off for off, on in zip(*costs))
    return off, off + more, 1 + more / off


class Questions:
    """Questions like those of people, one at a time, no two of them alike."""

    def __init__(self):
        self.asked = [pair["asked"] for pair in json.loads(QUESTIONS.read_text())]
        self.random = random.Random(7)
        self.connection = http.client.HTTPConnection("127.0.0.1", GATEWAY_PORT, timeout=10)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.misses = {}

    def ask(self, key, count):
        for _ in range(count):
            question = " ".join(self.random.choice(self.asked) for _ in range(3))
            text = json.dumps({"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": question}]})
            headers = {"content-type": "application/json", "x-bf-vk": key}
            status = ask(self.connection, "POST", CHAT, text, headers)[1]
            self.misses[key] = self.misses.get(key, 0) + (status.startswith("tollbridge; fwd=miss"))


def embedding_us(pids):
    """Microseconds of processor time that the thread of the embeddings has taken."""
    named = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()
             if (thread / "comm").read_text().strip() == "embed"]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in named) / 1000


def similar_costs(pids, rounds):
    """CPU microseconds of a request with the cache off; with it on, of the embedding and of all else."""
    questions, each, first = Questions(), 100, 1000
    begun = time.monotonic()
    questions.ask(SIMILAR, first)
    pace = (time.monotonic() - begun) / first
    questions.misses.clear()
    costs = {VIRTUAL_KEY: [0, 0], SIMILAR: [0, 0]}
    for turn in range(rounds):
        for key in (VIRTUAL_KEY, SIMILAR) if turn % 2 == 0 else (SIMILAR, VIRTUAL_KEY):
            embedding, all_threads = embedding_us(pids), cpu_us(pids)
            for _ in range(each):
                questions.ask(key, 1)
                if key == VIRTUAL_KEY:
                    # As seldom: whoever idles in between finds caches that are cold, and writes single rows.
                    time.sleep(pace)
            embedding = embedding_us(pids) - embedding
            costs[key][0] += embedding / each / rounds
            costs[key][1] += (cpu_us(pids) - all_threads - embedding) / each / rounds
    # One or another may be like one before.
    if questions.misses[VIRTUAL_KEY] or questions.misses[SIMILAR] < each * rounds * 0.95 or not costs[SIMILAR][0]:
        raise SystemExit(f"not what was to be measured: misses of {each * rounds}: {questions.misses}, {costs}")
    return costs[VIRTUAL_KEY][1], *costs[SIMILAR]


def fill(count):
    """Fills the cache, as it is when the gateway has run for a while: its memory has been touched."""
    load = Load(body(300).replace("The quick brown fox said", "QUESTION fox said", 1), False, 16)
    load.rounds(CACHED, count // 16)
    load.close()
    connection = http.client.HTTPConnection("127.0.0.1", GATEWAY_PORT, timeout=10)
    connection.request("GET", "/api/cache")
    state = json.loads(connection.getresponse().read())
    entries = state["entries"]
    if not 0 < entries < count * 0.9:
        raise SystemExit(f"the cache is not full: {entries} entries of {count}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tollbridge", required=True)
    parser.add_argument("--mock-provider", required=True)
    parser.add_argument("--seconds", type=int, default=8, help="length of one measurement")
    parser.add_argument("--model", help="folder of an embedding model")
    chosen = parser.parse_args()
    cpus = os.cpu_count() or 1
    gateway_cpu, load_cpu = (str(cpus - 1), "0") if cpus > 1 else ("0", "0")
    processes = []
    with tempfile.TemporaryDirectory(prefix="tollbridge-bench-cache-") as directory:
        try:
            mock = [chosen.mock_provider, "--listen", f"127.0.0.1:{MOCK_PORT}", "--fast"]
            processes.append(Process(mock, load_cpu))
            wait_for(MOCK_PORT, "/_mock/health", time.monotonic())
            has_model = bool(chosen.model) and Path(chosen.model).is_dir()
            configure(Path(directory) / "app", chosen.model if has_model else None)
            gateway, _ready, _idle = setup_gateway(chosen.tollbridge, Path(directory) / "app", gateway_cpu)
            processes.append(gateway)
            configured = virtual_key(VIRTUAL_KEY)
            # The embedding is measured apart.
            configured["semantic_cache"] = {"enabled": True, "mode": "exact"}
            admin("PUT", f"/api/governance/virtual-keys/{CACHED}", configured)
            configured["semantic_cache"] = True
            admin("PUT", f"/api/governance/virtual-keys/{SIMILAR}", configured)
            os.sched_setaffinity(0, {int(load_cpu)})
            fill(40_000)
            run(chosen, gateway.pids())
            if has_model:
                run_similar(gateway.pids(), chosen.seconds)
            else:
                print("Similar questions: not measured, --model names no folder of a model")
        finally:
            for process in reversed(processes):
                process.stop()


def configure(app_dir, model=None):
    """The rest of the configuration comes through the management API; the cache's size is read at the start."""
    app_dir.mkdir()
    if model:
        (app_dir / "embedding-model").symlink_to(Path(model).resolve())
    plugin = {"name": "semantic_cache", "enabled": True, "config": {"max_size_mb": MAX_SIZE}}
    (app_dir / "config.json").write_text(json.dumps({"plugins": [plugin]}))


def virtual_key(name):
    """The limits of a virtual key as a body that makes another one like it."""
    connection = http.client.HTTPConnection("127.0.0.1", GATEWAY_PORT, timeout=10)
    connection.request("GET", f"/api/governance/virtual-keys/{name}")
    key = json.loads(connection.getresponse().read())["virtual_key"]

    def limits(level):
        budget = {field: level["budget"][field] for field in ("max_limit", "reset_duration")}
        names = ("request_max_limit", "request_reset_duration", "token_max_limit", "token_reset_duration")
        return {"budget": budget, "rate_limit": {field: level["rate_limit"][field] for field in names}}

    providers = [{"provider": level["provider"], "weight": level["weight"], **limits(level)}
                 for level in key["provider_configs"]]
    return {**limits(key), "provider_configs": providers}


def run(chosen, pids):
    print("\n| CPU µs of a miss | requests at once | cache off | exact cache on | ÷ |\n|---|---|---|---|---|")
    keys = (VIRTUAL_KEY, CACHED)
    cases = [("300 B", 300, False, keys), ("10 KB", 10_240, False, keys), ("stream of 64 chunks", 300, True, keys),
             ("300 B, off both times", 300, False, (VIRTUAL_KEY, VIRTUAL_KEY))]
    for name, size, streams, keys in cases:
        for connections in (1, 16):
            off, on, ratio = miss_costs(pids, size, streams, connections, keys, chosen.seconds)
            print(f"| {name} | {connections} | {off:.1f} | {on:.1f} | {ratio:.3f} |", flush=True)
    p50, p99 = exact_hit(2000)
    print(f"\nAn exact hit takes {p50:.3f} ms longer than GET /health at p50, {p99:.3f} ms at p99", file=sys.stdout)


def run_similar(pids, seconds):
    admin("DELETE", "/api/cache/clear", None)
    off, embedding, rest = similar_costs(pids, max(2, seconds))
    print(f"\nA miss that looks for similar questions takes {embedding / 1000:.1f} ms of CPU for its embedding and "
          f"{rest:.0f} µs for all else, one at a time; a request with the cache off, at the same pace, {off:.0f} µs")


if __name__ == "__main__":
    main()
