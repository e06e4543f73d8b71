#!/usr/bin/env python3
"""Measures the gateway's overhead as ratios against nginx in the same run.

The mock provider (pre-rendered answers), nginx (`proxy_pass` with upstream keep-alive) and the
gateway are driven in turns by wrk. CPU time is the process's own accounting (schedstat of every
thread), divided by the requests that were answered. Everything stays on 127.0.0.1, and every process
that is started here is ended here.
"""

import argparse
import http.client
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOCK_PORT, NGINX_PORT, GATEWAY_PORT = 19301, 19302, 19303
VIRTUAL_KEY = "vk-bench"
EVENTS = 67  # 64 deltas, the finish chunk, the usage chunk, [DONE]
SIZES = {"300 B": 300, "10 KB": 10_240, "50 KB": 51_200}

NGINX = """
worker_processes 1;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  client_body_buffer_size 128k; client_max_body_size 10m; keepalive_requests 1000000000;
  upstream mock {{ server 127.0.0.1:{mock}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


class Process:
    """A child whose CPU time and memory can be read."""

    def __init__(self, command, cpu, **more):
        pinned = ["taskset", "-c", cpu, *command] if shutil.which("taskset") else command
        self.child = subprocess.Popen(pinned, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)

    def pids(self):
        out = subprocess.run(["pgrep", "-P", str(self.child.pid)], capture_output=True, text=True).stdout
        return [self.child.pid, *map(int, out.split())]

    def cpu(self):
        """Nanoseconds on a CPU, all threads of the process and its children."""
        total = 0
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    total += int(task.read_text().split()[0])
                except (OSError, ValueError, IndexError):
                    pass
        return total

    def rss(self):
        """MiB of resident memory."""
        kib = 0
        for pid in self.pids():
            match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            kib += int(match[1]) if match else 0
        return kib / 1024

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()


def wait_for(port, path, started, limit=10):
    """Seconds from `started` until the port answers 200."""
    while time.monotonic() - started < limit:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return time.monotonic() - started
        except OSError:
            time.sleep(0.001)
    raise SystemExit(f"nothing answered on port {port}")


def admin(method, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", GATEWAY_PORT, timeout=10)
    connection.request(method, path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"{method} {path}: {answer.status} {answer.read().decode()}")


def body(size, stream=False):
    request = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": ""}]}
    if stream:
        request["stream"] = True
    room = size - len(json.dumps(request))
    text = ("The quick brown fox said \"hello\" to the lazy dog.\n" * (room // 40 + 1))[: max(1, room)]
    while len(json.dumps(request)) < size and text:
        request["messages"][0]["content"] = text
        over = len(json.dumps(request)) - size
        if over <= 0:
            break
        text = text[:-over]
    return json.dumps(request)


class Load:
    """wrk with one body."""

    def __init__(self, directory, cpu):
        self.dir, self.cpu = Path(directory), cpu

    def run(self, port, path, text, seconds, connections, key=None):
        script = self.dir / "post.lua"
        (self.dir / "body.json").write_text(text)
        script.write_text(
            f'local f = io.open("{self.dir}/body.json"); wrk.body = f:read("*a"); f:close()\n'
            'wrk.method = "POST"; wrk.headers["content-type"] = "application/json"\n'
            + (f'wrk.headers["authorization"] = "Bearer {key}"\n' if key else "")
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
        out = subprocess.run(
            ["taskset", "-c", self.cpu, *command, f"http://127.0.0.1:{port}{path}"],
            capture_output=True, text=True, timeout=seconds + 30,
        ).stdout
        requests = re.search(r"(\d+) requests in", out)
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        errors = re.search(r"Socket errors: .*", out)
        if not requests or bad or errors:
            raise SystemExit(f"the load failed:\n{out}")
        return int(requests[1])


def measure(load, process, port, path, text, seconds, connections, key=None):
    load.run(port, path, text, 1, connections, key)
    before = process.cpu()
    requests = load.run(port, path, text, seconds, connections, key)
    return (process.cpu() - before) / requests / 1000


def latency(port, path, text, key, rate, count):
    """Milliseconds per request at a fixed rate over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    headers = {"content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    taken, due = [], time.perf_counter()
    for _ in range(count):
        due += 1 / rate
        time.sleep(max(0, due - time.perf_counter()))
        start = time.perf_counter()
        connection.request("POST", path, text, headers)
        answer = connection.getresponse()
        first = answer.read(1)
        taken.append((time.perf_counter() - start) * 1000)
        if answer.status != 200 or not first:
            raise SystemExit("a probe failed")
        answer.read()
    return taken


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def setup_gateway(binary, directory, cpu):
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    started = time.monotonic()
    command = [binary, "--app-dir", str(directory), "--host", "127.0.0.1", "--port", str(GATEWAY_PORT)]
    gateway = Process(command, cpu, env=environment)
    ready = wait_for(GATEWAY_PORT, "/readyz", started)
    idle = gateway.rss()
    network = {"base_url": f"http://127.0.0.1:{MOCK_PORT}/openai"}
    keys = [{"name": f"key-{n}", "value": f"sk-{n}", "weight": 1} for n in range(3)]
    admin("POST", "/api/providers", {"provider": "openai", "keys": keys, "network_config": network})
    limits = {"request_max_limit": 10**12, "request_reset_duration": "1h",
              "token_max_limit": 10**15, "token_reset_duration": "1h"}
    budget = {"max_limit": 1_000_000_000, "reset_duration": "1M"}
    admin("PUT", f"/api/governance/virtual-keys/{VIRTUAL_KEY}", {
        "budget": budget, "rate_limit": limits,
        "provider_configs": [{"provider": "openai", "weight": 1, "budget": budget, "rate_limit": limits}],
    })
    return gateway, ready, idle


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tollbridge", required=True)
    parser.add_argument("--mock-provider", required=True)
    parser.add_argument("--seconds", type=int, default=3, help="length of one measurement")
    parser.add_argument("--repeat", type=int, default=5, help="measurements per figure; the median counts")
    chosen = parser.parse_args()
    for tool, package in [("nginx", "nginx-light"), ("wrk", "wrk"), ("taskset", "util-linux")]:
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin"):
            raise SystemExit(f"{tool} is not installed: apt-get install {package}")

    cpus = os.cpu_count() or 1
    proxy_cpu, load_cpu = (str(cpus - 1), "0") if cpus > 1 else ("0", "0")
    processes = []
    with tempfile.TemporaryDirectory(prefix="tollbridge-bench-") as directory:
        try:
            run(chosen, Path(directory), proxy_cpu, load_cpu, processes)
        finally:
            for process in reversed(processes):
                process.stop()


def run(chosen, directory, proxy_cpu, load_cpu, processes):
    mock = [chosen.mock_provider, "--listen", f"127.0.0.1:{MOCK_PORT}", "--fast"]
    processes.append(Process(mock, load_cpu))
    wait_for(MOCK_PORT, "/_mock/health", time.monotonic())
    config = directory / "nginx.conf"
    config.write_text(NGINX.format(dir=directory, mock=MOCK_PORT, port=NGINX_PORT))
    nginx = Process([shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-c", str(config)], proxy_cpu)
    processes.append(nginx)
    wait_for(NGINX_PORT, "/_mock/health", time.monotonic())
    gateway, ready, idle = setup_gateway(chosen.tollbridge, directory / "app", proxy_cpu)
    processes.append(gateway)
    load = Load(directory, load_cpu)

    rows, chat = [], "/v1/chat/completions"
    targets = [
        ("nginx", nginx, NGINX_PORT, "/openai" + chat, None),
        ("plain", gateway, GATEWAY_PORT, chat, None),
        ("everything on", gateway, GATEWAY_PORT, chat, VIRTUAL_KEY),
    ]
    figures = {name: {} for name, *_ in targets}
    cases = [(name, body(size), 64, 1) for name, size in SIZES.items()]
    cases.append(("stream chunk", body(300, stream=True), 16, EVENTS))
    for case, text, connections, divisor in cases:
        for _ in range(chosen.repeat):
            for name, process, port, path, key in targets:
                cost = measure(load, process, port, path, text, chosen.seconds, connections, key) / divisor
                figures[name].setdefault(case, []).append(cost)
        row = [case]
        for name, *_ in targets:
            ratios = [a / b for a, b in zip(figures[name][case], figures["nginx"][case])]
            row.append((statistics.median(figures[name][case]), statistics.median(ratios)))
        rows.append(row)
        print(f"measured: {case}", file=sys.stderr)

    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    print(f"\nMachine: {os.cpu_count()} × {cpu[1] if cpu else platform.machine()}, Linux {platform.release()}")
    print(f"Medians of {chosen.repeat} × {chosen.seconds} s, each next to nginx in the same round.\n")
    print("| CPU µs per request | nginx | gateway, no key | ÷ nginx | virtual key, budgets, limits, rows | ÷ nginx |")
    print("|---|---|---|---|---|---|")
    for case, nginx_cost, plain, everything in rows:
        print(f"| {case} | {nginx_cost[0]:.1f} | {plain[0]:.1f} | {plain[1]:.2f} | {everything[0]:.1f} | {everything[1]:.2f} |")

    text, streamed = body(10_240), body(300, stream=True)
    print("\n| added at 200 requests/s, 10 KB | p50 | p99 |\n|---|---|---|")
    direct = latency(MOCK_PORT, "/openai" + chat, text, None, 200, 600)
    for name, _process, port, path, key in targets:
        taken = latency(port, path, text, key, 200, 600)
        added = [quantile(taken, q) - quantile(direct, q) for q in (0.5, 0.99)]
        print(f"| {name} | {added[0]:.2f} ms | {added[1]:.2f} ms |")
    first = {name: quantile(latency(port, path, streamed, key, 100, 300), 0.5) for name, _p, port, path, key in targets}
    first_direct = quantile(latency(MOCK_PORT, "/openai" + chat, streamed, None, 100, 300), 0.5)
    print("\nTime to first token added (p50): " + ", ".join(f"{n} {v - first_direct:.2f} ms" for n, v in first.items()))

    load.run(GATEWAY_PORT, chat, text, 3, 200, VIRTUAL_KEY)
    busy = gateway.rss()
    print(f"Memory of the gateway: {idle:.1f} MiB idle, {busy:.1f} MiB after 200 connections with 10 KB bodies")
    print(f"Start to ready: {ready * 1000:.0f} ms")


if __name__ == "__main__":
    main()
