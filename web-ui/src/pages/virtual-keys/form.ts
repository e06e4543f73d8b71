// From what was typed into the create dialog to the body that the gateway takes, and from its
// complaints back to the fields. Pure.

import { ApiError, type Problem } from "../../api/client";
import type { NewVirtualKey } from "../../api/virtualKeys";

export type ProviderRow = { row: number; provider: string; weight: string; models: string };

export type Draft = {
  name: string;
  description: string;
  providers: ProviderRow[];
  budget: string;
  budgetPeriod: string;
  requests: string;
  requestPeriod: string;
  tokens: string;
  tokenPeriod: string;
};

/** What is wrong, by the JSON path of the field; the empty path is the whole form. */
export type Complaints = Record<string, string>;

export const EMPTY: Draft = {
  name: "",
  description: "",
  providers: [],
  budget: "",
  budgetPeriod: "1M",
  requests: "",
  requestPeriod: "1m",
  tokens: "",
  tokenPeriod: "1m",
};

export const PERIODS = [
  { value: "1m", label: "per minute" },
  { value: "1h", label: "per hour" },
  { value: "1d", label: "per day" },
  { value: "1w", label: "per week" },
  { value: "1M", label: "per month" },
  { value: "1Y", label: "per year" },
] as const;

/** The body to send, or what stands in the way. */
export function bodyOf(draft: Draft): { body: NewVirtualKey } | { complaints: Complaints } {
  const complaints: Complaints = {};
  const body: NewVirtualKey = { name: draft.name.trim() };
  if (!body.name) complaints.name = "A key needs a name.";
  if (draft.description.trim()) body.description = draft.description.trim();

  const budget = above0("budget.max_limit", draft.budget, complaints);
  if (budget !== null) body.budget = { max_limit: budget, reset_duration: draft.budgetPeriod };

  const requests = wholeAbove0("rate_limit.request_max_limit", draft.requests, complaints);
  const tokens = wholeAbove0("rate_limit.token_max_limit", draft.tokens, complaints);
  if (requests !== null || tokens !== null) {
    body.rate_limit = {
      ...(requests === null
        ? {}
        : { request_max_limit: requests, request_reset_duration: draft.requestPeriod }),
      ...(tokens === null
        ? {}
        : { token_max_limit: tokens, token_reset_duration: draft.tokenPeriod }),
    };
  }

  // Without a row the field stays away, which is every provider; an empty list would be none.
  if (draft.providers.length > 0) {
    body.provider_configs = draft.providers.map((row, at) => ({
      provider: row.provider,
      weight: weightOf(`provider_configs[${at}].weight`, row.weight, complaints),
      allowed_models: modelsOf(row.models),
    }));
  }
  return Object.keys(complaints).length > 0 ? { complaints } : { body };
}

function above0(path: string, text: string, complaints: Complaints): number | null {
  if (text.trim() === "") return null;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  complaints[path] = "Give a number above 0, or leave it empty for no limit.";
  return null;
}

function wholeAbove0(path: string, text: string, complaints: Complaints): number | null {
  const value = above0(path, text, complaints);
  if (value === null || Number.isInteger(value)) return value;
  complaints[path] = "Give a whole number, or leave it empty for no limit.";
  return null;
}

function weightOf(path: string, text: string, complaints: Complaints): number | null {
  if (text.trim() === "") return null;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  complaints[path] = "Give a number from 0 up.";
  return null;
}

function modelsOf(text: string): string[] {
  const models = text.split(/[\s,]+/).filter(Boolean);
  return models.length > 0 ? [...new Set(models)] : ["*"];
}

/** The gateway's complaints by field. `known` are the paths that the form has a field for. */
export function complaintsOf(error: Error, known: (path: string) => boolean): Complaints {
  const problems = error instanceof ApiError ? error.problems : [];
  const found = problems.length > 0 ? problems : [problemIn(error.message, known)];
  const complaints: Complaints = {};
  for (const { path, message } of found) {
    const field = known(path) ? path : "";
    const text = field === path || !path ? message : `${path}: ${message}`;
    complaints[field] = complaints[field] ? `${complaints[field]}; ${text}` : text;
  }
  return complaints;
}

/** A conflict names its field in front of its message only: "name: `x` is the name of …". */
function problemIn(message: string, known: (path: string) => boolean): Problem {
  const [path, ...rest] = message.split(": ");
  if (path !== undefined && rest.length > 0 && known(path)) {
    return { path, message: rest.join(": ") };
  }
  return { path: "", message };
}
