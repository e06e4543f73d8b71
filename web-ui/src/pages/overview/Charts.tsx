import { useMemo, useState } from "react";
import type { Overview } from "../../api/generated/Overview";
import {
  formatClock,
  formatCount,
  formatExactCount,
  formatMilliseconds,
  formatMoney,
  plural,
} from "../../format";
import { type RangeName, rangeInWords } from "../../ranges";
import { Choice } from "../../ui/Choice";
import { ChartCard } from "../../ui/chart/ChartCard";
import { type ChartSeries, peak, sum } from "../../ui/chart/series";
import { NO_PROVIDER } from "../../ui/palette";
import { CACHE_COLOUR, CacheChart, usesCache } from "./CacheChart";
import { NothingHere } from "./NothingHere";

const NONE = "--series-none";

type Props = { overview: Overview; range: RangeName; colours: Map<string, string> };

export function Charts(props: Props) {
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      <div className="grid min-w-0 xl:col-span-2">
        <RequestsChart {...props} />
      </div>
      <CostChart {...props} />
      <LatencyChart {...props} />
      {usesCache(props.overview) ? (
        <div className="grid min-w-0 xl:col-span-2">
          <CacheChart overview={props.overview} range={props.range} />
        </div>
      ) : null}
    </div>
  );
}

type Breakdown = "provider" | "outcome";
const BREAKDOWNS = [
  { value: "provider", label: "Provider" },
  { value: "outcome", label: "Outcome" },
] as const;
const OUTCOMES: Record<string, [label: string, colour: string]> = {
  success: ["Success", "--bar-good"],
  client_error: ["Client error", "--series-8"],
  rate_limited: ["Rate limited", "--bar-warn"],
  server_error: ["Server error", "--bar-bad"],
  cancelled: ["Cancelled", "--series-none"],
};

function RequestsChart({ overview, range, colours }: Props) {
  const [breakdown, setBreakdown] = useState<Breakdown>("provider");
  const series = useMemo(
    () =>
      breakdown === "provider"
        ? [...byName(overview.requests_by_provider, colours), ...fromCache(overview)]
        : byOutcome(overview.requests_by_outcome),
    [overview, colours, breakdown],
  );
  return (
    <ChartCard
      title={`Requests by ${breakdown}`}
      testId="chart-requests"
      kind="bars"
      timestamps={overview.timestamps}
      end={overview.range.end}
      series={series}
      format={formatExactCount}
      formatAxis={wholeOnly}
      sentence={(shown) =>
        `Stacked bars of requests by ${breakdown} in the ${rangeInWords(range)}: ${listed(shown, (values) => formatExactCount(sum(values)))}.`
      }
      whenEmpty={<NothingHere range={range} />}
      actions={
        <Choice
          legend="Break down by"
          options={BREAKDOWNS}
          value={breakdown}
          onChange={setBreakdown}
        />
      }
    />
  );
}

function CostChart({ overview, range, colours }: Props) {
  const series = useMemo(() => byName(overview.cost_by_provider, colours), [overview, colours]);
  const spent = overview.totals.requests > 0;
  return (
    <ChartCard
      title="Cost by provider"
      testId="chart-cost"
      kind="bars"
      timestamps={overview.timestamps}
      end={overview.range.end}
      series={series}
      format={formatMoney}
      sentence={(shown) =>
        `Stacked bars of cost by provider in the ${rangeInWords(range)}: ${listed(shown, (values) => formatMoney(sum(values)))}.`
      }
      whenEmpty={
        spent ? <p className="text-muted">No cost in this range</p> : <NothingHere range={range} />
      }
    />
  );
}

type Percentile = "p50" | "p95";
const PERCENTILES = [
  { value: "p50", label: "p50" },
  { value: "p95", label: "p95" },
] as const;

function LatencyChart({ overview, range, colours }: Props) {
  const [percentile, setPercentile] = useState<Percentile>("p95");
  const series = useMemo(
    () =>
      Object.entries(overview.latency_by_provider).map(([name, latency]) => ({
        name,
        colour: colours.get(name) ?? NONE,
        values: latency?.[percentile] ?? [],
      })),
    [overview, colours, percentile],
  );
  const highest = (one: ChartSeries) => {
    const top = peak(one.values);
    const time = top ? overview.timestamps[top.index] : undefined;
    if (!top || time === undefined) return `${one.name} none`;
    return `${one.name} at most ${formatMilliseconds(top.value)} at ${formatClock(time).slice(0, 5)}`;
  };
  return (
    <ChartCard
      title={`Latency ${percentile} by provider`}
      testId="chart-latency"
      kind="lines"
      timestamps={overview.timestamps}
      end={overview.range.end}
      series={series}
      format={formatMilliseconds}
      sentence={(shown) =>
        `Lines of ${percentile} latency by provider in the ${rangeInWords(range)}: ${shown.map(highest).join(", ")}.`
      }
      whenEmpty={<NothingHere range={range} />}
      actions={
        <Choice
          legend="Percentile"
          options={PERCENTILES}
          value={percentile}
          onChange={setPercentile}
        />
      }
    />
  );
}

function byName(values: Record<string, number[]>, colours: Map<string, string>): ChartSeries[] {
  const series = Object.entries(values).map(([name, counts]) => ({
    name: name === NO_PROVIDER ? "no provider" : name,
    colour: colours.get(name) ?? NONE,
    values: counts,
  }));
  // On top of the stack, so that it does not lift the providers' bars off the ground.
  return series.sort((a, b) => Number(a.colour === NONE) - Number(b.colour === NONE));
}

/** What no provider was asked for, so that the bars add up to all requests. */
function fromCache({ cache, totals }: Overview): ChartSeries[] {
  if (totals.cache.direct + totals.cache.semantic === 0) return [];
  const values = cache.direct.map((direct, at) => direct + (cache.semantic[at] ?? 0));
  return [{ name: "from the cache", colour: CACHE_COLOUR, values }];
}

/** Outcomes that never happened would only clutter the legend. */
function byOutcome(values: Record<string, number[]>): ChartSeries[] {
  return Object.entries(OUTCOMES).flatMap(([outcome, [name, colour]]) => {
    const series = values[outcome] ?? [];
    return series.some((value) => value > 0) ? [{ name, colour, values: series }] : [];
  });
}

function listed(series: ChartSeries[], total: (values: (number | null)[]) => string): string {
  if (series.length === 0) return plural(0, "series", "series");
  return series.map((one) => `${one.name} ${total(one.values)}`).join(", ");
}

/** There is no half request, so its axis has no half lines. */
function wholeOnly(value: number): string {
  return Number.isInteger(value) ? formatCount(value) : "";
}
