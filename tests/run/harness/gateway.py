"""The gateway as its operator sees it: management API, decisions, logs, metrics."""

import re
import time

from .http import call, expect

KEYS = {"openai": "sk-openai-test", "anthropic": "sk-ant-test", "gemini": "gm-test"}
PROVIDERS = tuple(KEYS)

# Spelled out, so that no setting of one test is left to the next.
NETWORK = {
    "max_retries": 0,
    "default_request_timeout_in_seconds": 30,
    "stream_idle_timeout_in_seconds": 60,
    "extra_headers": {},
}


class Gateway:
    """A running gateway, reached at one address for models and management."""

    def __init__(self, url, admin=None):
        self.url = url.rstrip("/")
        self.admin = (admin or url).rstrip("/")

    # --- configuration -------------------------------------------------------------------

    def set_up(self, mock):
        """Configures the three providers to speak to the mock."""
        for provider in PROVIDERS:
            self.put_provider(provider, mock)

    def put_provider(self, provider, mock, keys=None, **network):
        """Creates or replaces a provider that speaks to the mock, with one key unless others are given."""
        keys = keys or [{"name": f"{provider}-key", "value": KEYS[provider], "weight": 1.0}]
        network = {"base_url": mock.base_url(provider), **NETWORK, **network}
        body = {
            "keys": keys,
            "network_config": network,
            "concurrency_and_buffer_size": {"concurrency": 1000, "buffer_size": 5000},
        }
        return expect("PUT", f"{self.admin}/api/providers/{provider}", body).json()

    def delete_provider(self, provider):
        return call("DELETE", f"{self.admin}/api/providers/{provider}")

    def put_virtual_key(self, key_id, body):
        """Creates or updates a virtual key; a key created so has its id as its secret."""
        return expect("PUT", f"{self.admin}/api/governance/virtual-keys/{key_id}", body).json()

    def get_virtual_key(self, key_id):
        answer = expect("GET", f"{self.admin}/api/governance/virtual-keys/{key_id}").json()
        return answer.get("virtual_key", answer)

    def delete_virtual_key(self, key_id):
        return call("DELETE", f"{self.admin}/api/governance/virtual-keys/{key_id}")

    def fresh_virtual_key(self, key_id, body):
        """Creates the virtual key anew, without what an earlier one of that id has spent."""
        self.delete_virtual_key(key_id)
        return self.put_virtual_key(key_id, body)

    # --- what it does --------------------------------------------------------------------

    def chat(self, body, api_key=None, headers=None, timeout=20):
        """One raw chat completion call."""
        headers = dict(headers or {})
        if api_key:
            headers["authorization"] = f"Bearer {api_key}"
        return call("POST", f"{self.url}/v1/chat/completions", body, headers, timeout)

    def explain(self, body, api_key=None):
        """What the gateway would do with this chat request; nobody is called."""
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        return expect("POST", f"{self.admin}/api/route/explain", body, headers).json()

    def recover(self, models, api_key=None, within=45):
        """Waits until each model's own provider answers three times in a row, as after a scripted failure."""
        deadline = time.monotonic() + within
        for model in models:
            good = 0
            while good < 3:
                answer = self.chat(hello(model), api_key)
                named = answer.headers.get("x-tollbridge-provider")
                ok = answer.status == 200 and named in (None, model.split("/")[0])
                good = good + 1 if ok else 0
                assert time.monotonic() < deadline, f"{model} has not recovered: {answer.status} {answer.text[:300]}"
                if not ok:
                    time.sleep(0.25)

    # --- what it says of it --------------------------------------------------------------

    def log(self, request_id, within=10, ready=lambda row: True):
        """The log row of one request, waited for because rows are written behind the answer."""
        deadline = time.monotonic() + within
        row = None
        while time.monotonic() < deadline:
            answer = call("GET", f"{self.admin}/api/logs/{request_id}")
            if answer.status == 200:
                row = answer.json()
                row = row.get("log", row)
                if ready(row):
                    return row
            time.sleep(0.2)
        raise AssertionError(f"no finished log row for {request_id}; last seen: {row}")

    def metrics(self):
        """Every sample of /metrics."""
        return Metrics(expect("GET", f"{self.admin}/metrics").text)

    def spent(self, key_id):
        """US dollars this virtual key's own budget has counted in its present window."""
        key = self.get_virtual_key(key_id)
        budget = key.get("budget") or (key.get("budgets") or [None])[0]
        assert budget, f"virtual key {key_id} shows no budget: {key}"
        return float(budget["current_usage"])


class Metrics:
    """Samples of a Prometheus text answer."""

    SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
    LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            found = None if line.startswith("#") else self.SAMPLE.match(line)
            if found:
                name, labels, value = found.groups()
                self.samples.append((name, dict(self.LABEL.findall(labels or "")), float(value)))

    def has(self, name):
        return any(sample[0] == name for sample in self.samples)

    def sum(self, name, **labels):
        """The sum over all series of that name that carry these labels."""
        return sum(
            value
            for sample, carried, value in self.samples
            if sample == name and all(carried.get(label) == want for label, want in labels.items())
        )


def hello(model, content="Say hello.", **more):
    """The smallest chat request."""
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}
