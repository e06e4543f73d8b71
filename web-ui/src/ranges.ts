export const RANGES = ["15m", "1h", "6h", "24h", "7d", "30d"] as const;
export type RangeName = (typeof RANGES)[number];
export const USUAL_RANGE: RangeName = "1h";

const WORDS: Record<RangeName, string> = {
  "15m": "last 15 minutes",
  "1h": "last hour",
  "6h": "last 6 hours",
  "24h": "last 24 hours",
  "7d": "last 7 days",
  "30d": "last 30 days",
};

export function rangeInWords(range: RangeName): string {
  return WORDS[range];
}

export function isRange(value: unknown): value is RangeName {
  return RANGES.some((range) => range === value);
}

/** The next longer range that is worth a try when this one shows nothing. */
export function widerRange(range: RangeName): RangeName | null {
  const wider: Record<RangeName, RangeName | null> = {
    "15m": "1h",
    "1h": "24h",
    "6h": "24h",
    "24h": "7d",
    "7d": "30d",
    "30d": null,
  };
  return wider[range];
}
