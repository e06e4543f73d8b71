import type { RecentRequest } from "../../api/generated/RecentRequest";

const WORDS: Record<string, string> = {
  "401": "key rejected (401)",
  "403": "key not allowed (403)",
  "404": "model not found (404)",
  "408": "timeout (408)",
  "429": "rate limit (429)",
  "500": "server error (500)",
  "502": "bad gateway (502)",
  "503": "unavailable (503)",
  "504": "timeout (504)",
  "529": "overloaded (529)",
  bad_response: "unreadable answer",
  cancelled: "cancelled by the client",
  connect: "no connection",
  no_key: "no usable key",
  queue_full: "queue full",
  timeout: "timeout",
  truncated: "answer cut off",
  unsupported_operation: "not supported there",
};

/** How an attempt ended, in plain words. */
export function outcomeInWords(outcome: string): string {
  return WORDS[outcome] ?? outcome.replaceAll("_", " ");
}

/**
 * Why `from` handed over to `to` in the latest requests, the most frequent reason first. The sums
 * of the range do not keep reasons, so older failovers have none.
 */
export function reasonsInWords(recent: RecentRequest[], from: string, to: string): string {
  const counts = new Map<string, number>();
  for (const request of recent) {
    request.attempts.forEach((attempt, at) => {
      if (attempt.provider !== from || request.attempts[at + 1]?.provider !== to) return;
      counts.set(attempt.outcome, (counts.get(attempt.outcome) ?? 0) + 1);
    });
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  return sorted.map(([outcome]) => outcomeInWords(outcome)).join(", ") || "none lately";
}
