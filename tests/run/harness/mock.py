"""The mock provider's script: what it shall answer, and what it was asked."""

import json

from .http import expect


class Mock:
    """A running mock provider. Its labels are the first path segment: openai, anthropic, gemini."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def base_url(self, provider):
        """The address a gateway uses for this provider."""
        return f"{self.url}/gemini/v1beta" if provider == "gemini" else f"{self.url}/{provider}"

    def rule(self, when=None, times=None, **reply):
        """Adds one rule: requests that match `when` get `reply`, at most `times` times."""
        rule = {"when": when or {}, "reply": reply}
        if times is not None:
            rule["times"] = times
        expect("POST", f"{self.url}/_mock/rules", rule)

    def reset(self):
        """Forgets every rule, every request received and every count."""
        for what in ("rules", "received", "counts"):
            expect("DELETE", f"{self.url}/_mock/{what}")

    def forget_rules(self):
        expect("DELETE", f"{self.url}/_mock/rules")

    def received(self, provider=None):
        """The requests received since the last reset, oldest first."""
        answer = expect("GET", f"{self.url}/_mock/received", timeout=30).json()
        requests = answer.get("received", answer.get("requests")) if isinstance(answer, dict) else answer
        for request in requests:
            if isinstance(request.get("body"), str):
                request["body"] = _parsed(request["body"])
        return [r for r in requests if provider in (None, r["provider"])]

    def counts(self):
        """How many requests each provider received since the last reset."""
        totals = {}
        for (provider, _key), count in self.counts_by_key().items():
            totals[provider] = totals.get(provider, 0) + count
        return totals

    def counts_by_key(self):
        """How many requests each (provider, key) received since the last reset."""
        answer = expect("GET", f"{self.url}/_mock/counts").json()
        return dict(_flatten(answer.get("counts", answer) if isinstance(answer, dict) else answer))


def _parsed(body):
    """The JSON of a body, or the body itself where it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return body


def _flatten(counts):
    if isinstance(counts, list):
        for row in counts:
            yield (row["provider"], row.get("key")), row.get("count", row.get("requests"))
        return
    for provider, by_key in counts.items():
        if isinstance(by_key, int):
            yield (provider, None), by_key
            continue
        for key, count in by_key.get("keys", by_key).items():
            if isinstance(count, int) and key != "total":
                yield (provider, key), count
