// The courses that the sparklines draw, out of the series of the overview.

import type { Overview } from "../../api/generated/Overview";

export function sumOfSeries(series: Record<string, number[]>, length: number): number[] {
  const sums = new Array<number>(length).fill(0);
  for (const values of Object.values(series)) {
    values.forEach((value, at) => {
      sums[at] = (sums[at] ?? 0) + value;
    });
  }
  return sums;
}

/** The share of requests that succeeded; null in buckets without any. */
export function successCourse(overview: Overview): (number | null)[] {
  const totals = sumOfSeries(overview.requests_by_outcome, overview.timestamps.length);
  const successes = overview.requests_by_outcome.success ?? [];
  return totals.map((total, at) => (total > 0 ? (successes[at] ?? 0) / total : null));
}

/** The share of requests that the cache answered, from the first bucket that used it on. */
export function hitRateCourse({ cache }: Overview): (number | null)[] {
  const lookups = cache.misses.map(
    (misses, at) => misses + (cache.direct[at] ?? 0) + (cache.semantic[at] ?? 0),
  );
  const rates = lookups.map((count, at) =>
    count > 0 ? (count - (cache.misses[at] ?? 0)) / count : null,
  );
  return sinceFirst(lookups, rates);
}

/**
 * A percentile over time, weighted over the providers by their requests. True percentiles do not
 * add up, so this is good for a course and not for a figure.
 */
export function latencyCourse(overview: Overview, which: "p50" | "p95"): (number | null)[] {
  return overview.timestamps.map((_, at) => {
    let weighted = 0;
    let requests = 0;
    for (const [provider, latency] of Object.entries(overview.latency_by_provider)) {
      const value = latency?.[which][at];
      const count = overview.requests_by_provider[provider]?.[at] ?? 0;
      if (value === null || value === undefined || count === 0) continue;
      weighted += value * count;
      requests += count;
    }
    return requests > 0 ? weighted / requests : null;
  });
}

/**
 * `values` from the first bucket with a request on. A gateway that was started a few minutes ago
 * would otherwise draw specks at the right edge.
 */
export function sinceFirst<Value>(requests: number[], values: Value[]): Value[] {
  const first = requests.findIndex((count) => count > 0);
  return first < 0 ? [] : values.slice(first);
}
