#!/usr/bin/env python3
"""Measures what the semantic cache costs: an exact hit against `GET /health`, and the CPU time that it
adds to a miss. Started by `make bench` after bench.py, with the same binaries.
"""

import argparse
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import GATEWAY_PORT, MOCK_PORT, VIRTUAL_KEY, Process, admin, body, quantile, setup_gateway, wait_for

CACHED = "vk-cached"
CHAT = "/v1/chat/completions"
# Between two requests of a connection. At full load the slower of two setups makes its peers wait more
# often, and to wake them costs it more kernel time per request; so both are asked at the same rate.
PAUSE_MS = 16


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


class Misses:
    """wrk with another question in every request."""

    def __init__(self, directory, cpu):
        self.script, self.cpu, self.runs = Path(directory) / "misses.lua", cpu, 0

    def run(self, key, text, seconds, connections):
        self.runs += 1
        head, tail = json.dumps(text).split("QUESTION")
        self.script.write_text(
            f"local n, head, tail = 0, {head}\", \"{tail}\n"
            'wrk.method = "POST"; wrk.headers["content-type"] = "application/json"\n'
            f'wrk.headers["x-bf-vk"] = "{key}"\n'
            f"delay = function() return {PAUSE_MS} end\n"
            f'request = function() n = n + 1; return wrk.format(nil, nil, nil, head .. "{self.runs}-" .. n .. tail) end\n'
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(self.script)]
        out = subprocess.run(["taskset", "-c", self.cpu, *command, f"http://127.0.0.1:{GATEWAY_PORT}{CHAT}"],
                             capture_output=True, text=True, timeout=seconds + 30).stdout
        requests = re.search(r"(\d+) requests in", out)
        if not requests or "Non-2xx" in out or "Socket errors" in out:
            raise SystemExit(f"the load failed:\n{out}")
        return int(requests[1])


def miss_costs(gateway, load, size, stream, seconds, repeat):
    """CPU microseconds of a request without and with the cache, and what the second is to the first: medians.

    Short turns, the first of each pair the second of the next: whoever shares the machine disturbs both alike.
    """
    text = body(size, stream).replace("The quick brown fox said", "QUESTION fox said", 1)
    costs = {VIRTUAL_KEY: [], CACHED: []}
    for key in costs:
        load.run(key, text, 1, 64)
    for turn in range(repeat):
        for key in sorted(costs, reverse=turn % 2 == 1):
            before = gateway.cpu()
            requests = load.run(key, text, seconds, 64)
            costs[key].append((gateway.cpu() - before) / requests / 1000)
    off, on = (statistics.median(taken) for taken in costs.values())
    return off, on, on / off


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tollbridge", required=True)
    parser.add_argument("--mock-provider", required=True)
    parser.add_argument("--seconds", type=int, default=1, help="length of one measurement")
    parser.add_argument("--repeat", type=int, default=20, help="measurements per figure; the median counts")
    chosen = parser.parse_args()
    cpus = os.cpu_count() or 1
    gateway_cpu, load_cpu = (str(cpus - 1), "0") if cpus > 1 else ("0", "0")
    processes = []
    with tempfile.TemporaryDirectory(prefix="tollbridge-bench-cache-") as directory:
        try:
            mock = [chosen.mock_provider, "--listen", f"127.0.0.1:{MOCK_PORT}", "--fast"]
            processes.append(Process(mock, load_cpu))
            wait_for(MOCK_PORT, "/_mock/health", time.monotonic())
            gateway, _ready, _idle = setup_gateway(chosen.tollbridge, Path(directory) / "app", gateway_cpu)
            processes.append(gateway)
            configured = virtual_key(VIRTUAL_KEY)
            # The embedding is measured apart.
            configured["semantic_cache"] = {"enabled": True, "mode": "exact"}
            admin("PUT", f"/api/governance/virtual-keys/{CACHED}", configured)
            run(chosen, gateway, Misses(directory, load_cpu))
        finally:
            for process in reversed(processes):
                process.stop()


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


def run(chosen, gateway, load):
    print("\n| CPU µs of a miss | cache off | exact cache on | ÷ |\n|---|---|---|---|")
    cases = (("300 B", 300, False), ("10 KB", 10_240, False), ("stream of 64 chunks", 300, True))
    for name, size, stream in cases:
        off, on, ratio = miss_costs(gateway, load, size, stream, chosen.seconds, chosen.repeat)
        print(f"| {name} | {off:.1f} | {on:.1f} | {ratio:.3f} |")
    p50, p99 = exact_hit(2000)
    print(f"\nAn exact hit takes {p50:.3f} ms longer than GET /health at p50, {p99:.3f} ms at p99", file=sys.stdout)


if __name__ == "__main__":
    main()
