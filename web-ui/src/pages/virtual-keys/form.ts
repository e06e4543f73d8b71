// From what was typed into the create dialog to the body that the gateway takes, and from its
// complaints back to the fields. Pure.

import type { LimitsInput, NewVirtualKey, VirtualKey } from "../../api/virtualKeys";
import type { Complaints, Read } from "../../ui/useForm";

export type ProviderRow = { row: number; provider: string; weight: string; models: string };

/** An amount as typed, and the window that it holds for. `id` is that of a budget that is there. */
export type LimitDraft = { id?: string; amount: string; period: string };

export type LimitsDraft = { budgets: LimitDraft[]; requests: LimitDraft; tokens: LimitDraft };

export type Draft = LimitsDraft & {
  name: string;
  description: string;
  providers: ProviderRow[];
  cache: CacheChoice;
};

/** Whether a key's requests use the semantic cache; `inherit` is what holds for everybody. */
export type CacheChoice = "inherit" | "on" | "off";

export const EMPTY: Draft = {
  name: "",
  description: "",
  providers: [],
  cache: "inherit",
  budgets: [{ amount: "", period: "1M" }],
  requests: { amount: "", period: "1m" },
  tokens: { amount: "", period: "1m" },
};

/** The limits of a key as the fields show them; a key without a budget gets an empty field for one. */
export function limitsOfKey({ budgets, rate_limit: rates }: VirtualKey): LimitsDraft {
  const half = (limit?: number | null, window?: string | null): LimitDraft => ({
    amount: limit == null ? "" : String(limit),
    period: window ?? "1m",
  });
  const present = budgets.map(({ id, max_limit, reset_duration }) => ({
    id,
    amount: String(max_limit),
    period: reset_duration,
  }));
  return {
    budgets: present.length > 0 ? present : EMPTY.budgets,
    requests: half(rates?.request_max_limit, rates?.request_reset_duration),
    tokens: half(rates?.token_max_limit, rates?.token_reset_duration),
  };
}

/** The windows on offer. */
export const PERIODS = ["1m", "1h", "1d", "1w", "1M", "1Y"];

/** The body to send, or what stands in the way. */
export function bodyOf(draft: Draft): Read<NewVirtualKey> {
  const complaints: Complaints = {};
  const body: NewVirtualKey = { name: draft.name.trim() };
  if (!body.name) complaints.name = "A key needs a name.";
  if (draft.description.trim()) body.description = draft.description.trim();

  if (draft.cache !== "inherit") body.semantic_cache = draft.cache === "on";

  const { budgets, rate_limit } = limitsFrom(draft, complaints);
  if (budgets.length > 0) body.budgets = budgets;
  if (Object.keys(rate_limit).length > 0) body.rate_limit = rate_limit;

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

/** The body that sets these limits and takes away those whose fields are empty. */
export function limitsBodyOf(draft: LimitsDraft): Read<LimitsInput> {
  const complaints: Complaints = {};
  const body = limitsFrom(draft, complaints);
  return Object.keys(complaints).length > 0 ? { complaints } : { body };
}

function limitsFrom(draft: LimitsDraft, complaints: Complaints): LimitsInput {
  const budgets = draft.budgets.flatMap(({ id, amount, period }, at) => {
    const limit = above0(`budgets[${at}].max_limit`, amount, complaints);
    if (limit === null) return [];
    return [{ ...(id ? { id } : {}), max_limit: limit, reset_duration: period }];
  });
  const requests = wholeAbove0("rate_limit.request_max_limit", draft.requests.amount, complaints);
  const tokens = wholeAbove0("rate_limit.token_max_limit", draft.tokens.amount, complaints);
  // An empty object takes the rate limit away.
  if (requests === null && tokens === null) return { budgets, rate_limit: {} };
  const rate_limit = {
    request_max_limit: requests,
    request_reset_duration: requests === null ? null : draft.requests.period,
    token_max_limit: tokens,
    token_reset_duration: tokens === null ? null : draft.tokens.period,
  };
  return { budgets, rate_limit };
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
