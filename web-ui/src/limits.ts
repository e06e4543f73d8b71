import type { LimitUsage } from "./api/generated/LimitUsage";
import type { VirtualKeyUsage } from "./api/generated/VirtualKeyUsage";
import { formatDuration, formatExactCount, formatMoney } from "./format";

/** Used and held: what counts when the next request is let through or refused. */
export function taken(limit: LimitUsage): number {
  return limit.used + limit.held;
}

export function shareTaken(limit: LimitUsage): number {
  return limit.limit > 0 ? taken(limit) / limit.limit : 1;
}

/** An amount in a limit's unit. */
export function amount(limit: LimitUsage, value: number): string {
  if (limit.unit === "cost") return formatMoney(value);
  return `${formatExactCount(value)} ${limit.unit}`;
}

/** `$0.12 of $0.50`, `40 of 100 requests`. */
export function takenInWords(limit: LimitUsage): string {
  const used = limit.unit === "cost" ? formatMoney(taken(limit)) : formatExactCount(taken(limit));
  return `${used} of ${amount(limit, limit.limit)}`;
}

/** The limit that will be reached first. */
export function tightest(limits: LimitUsage[]): LimitUsage | null {
  return limits.reduce<LimitUsage | null>(
    (found, limit) => (found && shareTaken(found) >= shareTaken(limit) ? found : limit),
    null,
  );
}

/** A rolling window begins with the first use, so one that lies in the past has not begun. */
export function resetInWords(limit: LimitUsage, now: number): string {
  if (limit.resets_at <= now) return "starts with the next use";
  return `resets in ${formatDuration(limit.resets_at - now)}`;
}

export function closestToLimit(keys: VirtualKeyUsage[], count: number) {
  return keys
    .flatMap((key) => {
      const limit = tightest(key.limits);
      return limit && key.is_active ? [{ key, limit }] : [];
    })
    .slice(0, count);
}
