import type { LimitUsage } from "../../api/generated/LimitUsage";
import type { VirtualKeyUsage } from "../../api/generated/VirtualKeyUsage";
import type { ProviderConfig } from "../../api/virtualKeys";

/** The gateway masks secrets with a long row of stars; a short one says the same. */
export function shortMask(masked: string): string {
  return masked.replace(/\*{5,}/, "****");
}

export type Weighted = { provider: string; weight: number | null; share: number };

/** Providers with the share of requests that their weights give them. */
export function weighted(configs: ProviderConfig[]): Weighted[] {
  const total = configs.reduce((sum, config) => sum + (config.weight ?? 0), 0);
  return configs.map(({ provider, weight }) => ({
    provider,
    weight,
    share: total > 0 ? (weight ?? 0) / total : 0,
  }));
}

/** Money is what is asked for first. */
export function moneyFirst(limits: LimitUsage[]): LimitUsage[] {
  return limits.toSorted((a, b) => Number(b.unit === "cost") - Number(a.unit === "cost"));
}

export function limitsOf(usage: VirtualKeyUsage | undefined, unit: "cost" | "rate") {
  const limits = usage?.limits ?? [];
  return limits.filter((limit) => (limit.unit === "cost") === (unit === "cost"));
}
