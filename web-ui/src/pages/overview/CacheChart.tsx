import { useMemo } from "react";
import type { Overview } from "../../api/generated/Overview";
import {
  formatCount,
  formatExactCount,
  formatMilliseconds,
  formatMoney,
  formatShare,
} from "../../format";
import { type RangeName, rangeInWords } from "../../ranges";
import { ChartCard } from "../../ui/chart/ChartCard";
import { type ChartSeries, sum } from "../../ui/chart/series";
import { NothingHere } from "./NothingHere";

/** Of what the cache answers, where one colour has to do for all of it. */
export const CACHE_COLOUR = "--series-8";

/** Whether there is anything to say of the cache: it is on for somebody, or was in this range. */
export function usesCache({ cache_in_use, totals }: Overview): boolean {
  const { direct, semantic, misses } = totals.cache;
  return cache_in_use || direct + semantic + misses > 0;
}

type Props = { overview: Overview; range: RangeName };

/** Requests that used the cache, by what came of it. */
export function CacheChart({ overview, range }: Props) {
  const { cache, totals } = overview;
  const series = useMemo(
    (): ChartSeries[] => [
      { name: "exact", colour: "--series-6", values: cache.direct },
      { name: "semantic", colour: CACHE_COLOUR, values: cache.semantic },
      { name: "miss", colour: "--series-none", values: cache.misses },
    ],
    [cache],
  );
  const { hit_rate, saved_cost, saved_ms } = totals.cache;
  const saved = `${formatMoney(saved_cost)} and ${formatMilliseconds(saved_ms)} saved`;
  return (
    <ChartCard
      title="Cache"
      testId="chart-cache"
      kind="bars"
      timestamps={overview.timestamps}
      end={overview.range.end}
      series={series}
      format={formatExactCount}
      formatAxis={(value) => (Number.isInteger(value) ? formatCount(value) : "")}
      note={
        hit_rate === null ? "By what came of it" : `${formatShare(hit_rate)} answered · ${saved}`
      }
      sentence={(shown) =>
        `Stacked bars of requests that used the cache in the ${rangeInWords(range)}: ${shown
          .map((one) => `${one.name} ${formatExactCount(sum(one.values))}`)
          .join(", ")}; ${saved}.`
      }
      whenEmpty={
        totals.requests > 0 ? (
          <p className="text-muted">No request used the cache in this range</p>
        ) : (
          <NothingHere range={range} />
        )
      }
    />
  );
}
