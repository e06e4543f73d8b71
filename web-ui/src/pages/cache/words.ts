// What the gateway's short words of the cache mean.

import type { CacheMode, CacheScope, CacheSettings } from "../../api/cache";
import type { CacheStatus } from "../../api/generated/CacheStatus";

export const MODES: Record<CacheMode, { name: string; meaning: string }> = {
  semantic: {
    name: "Semantic",
    meaning: "Exact and similar requests are answered from the cache.",
  },
  exact: { name: "Exact", meaning: "Only exact requests are answered; nothing is embedded." },
  shadow: {
    name: "Shadow",
    meaning: "Nothing is answered from the cache: what would have been is counted and graded.",
  },
};

export const SCOPES: Record<CacheScope, string> = {
  virtual_key: "Each virtual key for itself",
  team: "The virtual keys of a team",
  customer: "The virtual keys of a customer",
};

const PAST: Record<string, string> = {
  tools: "It has tools or tool calls",
  temperature: "Its temperature is above the limit",
  history: "It has too many messages",
  choices: "It wants more than one answer",
  logprobs: "It wants log probabilities",
  empty: "It asks nothing",
  unreadable: "Its body cannot be read whole",
};

const GUARD: Record<string, string> = {
  negation: "One says “not”",
  number: "Different numbers",
  date: "Different dates",
  unit: "Different units",
  quotation: "Different quotations",
  name: "Different names",
  code: "Different code",
  language: "Another language",
  format: "Another format of the answer",
  opposite: "Opposite words",
  direction: "Another direction",
  question: "Another question word",
  person: "About another person",
  subject: "About something else",
};

export const pastInWords = (reason: string) => PAST[reason] ?? reason;
export const guardInWords = (reason: string) => GUARD[reason] ?? reason;

/** Whether any request can use the cache without asking for it. */
export function isOnForSomebody(status: CacheStatus): boolean {
  return status.enabled && (status.for_every_request || status.virtual_keys > 0);
}

/** Whose requests use the cache, as a sentence. */
export function usersInWords(status: CacheStatus): string {
  if (!status.enabled) return "No request uses it, whatever a virtual key or a header says.";
  if (status.for_every_request) return "Every request uses it.";
  const asking = "requests with the header x-bf-cache-key";
  if (status.virtual_keys === 0) {
    return status.in_use ? `Only ${asking} use it.` : "No virtual key has it on.";
  }
  const keys =
    status.virtual_keys === 1 ? "One virtual key has" : `${status.virtual_keys} virtual keys have`;
  return `${keys} it on; so do ${asking}.`;
}

/** From which similarity on a question counts as the same, and who confirms below. */
export function thresholdInWords(settings: CacheSettings): string {
  const { threshold, judge_model: judge, judge_threshold: from } = settings;
  const text = threshold.toFixed(2);
  return judge && from < threshold ? `${text}; from ${from.toFixed(2)} if ${judge} agrees` : text;
}

/** `12.4 MiB`, `870 KiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const inMebi = bytes >= 1024 * 1024;
  const amount = bytes / (inMebi ? 1024 * 1024 : 1024);
  return `${Number(amount.toFixed(amount < 10 ? 1 : 0))} ${inMebi ? "MiB" : "KiB"}`;
}
