import type { Overview } from "../../api/generated/Overview";
import type { Totals } from "../../api/generated/Totals";
import {
  formatCount,
  formatCounts,
  formatMilliseconds,
  formatMoney,
  formatShare,
  plural,
} from "../../format";
import { classes } from "../../ui/classes";
import { usesCache } from "./CacheChart";
import { hitRateCourse, latencyCourse, sinceFirst, successCourse, sumOfSeries } from "./courses";
import { Kpi } from "./Kpi";

const saved = ({ cache }: Totals) =>
  cache.direct + cache.semantic + cache.misses > 0 ? cache.saved_cost : null;
const successShare = (totals: Totals) =>
  totals.requests > 0 ? (totals.requests - totals.errors) / totals.requests : null;

export function points(now: number, before: number): string {
  const difference = Number(((now - before) * 100).toFixed(1));
  if (difference === 0) return "±0 pt";
  return `${difference < 0 ? "−" : "+"}${Math.abs(difference)} pt`;
}

/** The figures of the range, each beside the range before. */
export function Kpis({ overview }: { overview: Overview }) {
  const { totals, previous } = overview;
  const requests = sumOfSeries(overview.requests_by_outcome, overview.timestamps.length);
  const course = <Value,>(values: Value[]) => sinceFirst(requests, values);
  const [tokensIn, tokensOut] = formatCounts([totals.input_tokens, totals.output_tokens]);
  const cached = usesCache(overview);
  const tokens = (sums: Totals) => sums.input_tokens + sums.output_tokens;
  return (
    <section aria-labelledby="figures-title">
      <h2 id="figures-title" className="sr-only">
        Key figures
      </h2>
      <ul
        className={classes(
          "grid grid-cols-2 gap-3 lg:grid-cols-4",
          // Ten tiles instead of eight.
          cached && "xl:grid-cols-5",
        )}
      >
        <Kpi
          name="Requests"
          testId="kpi-requests"
          value={totals.requests}
          previous={previous.requests}
          format={formatCount}
          course={course(requests)}
        />
        <Kpi
          name="Success rate"
          testId="kpi-success"
          value={successShare(totals)}
          previous={successShare(previous)}
          format={formatShare}
          more="good"
          change={points}
          detail={plural(totals.errors, "error")}
          course={course(successCourse(overview))}
        />
        <Kpi
          name="Cost"
          testId="kpi-cost"
          value={totals.cost}
          previous={previous.cost}
          format={formatMoney}
          detail={
            totals.requests > 0
              ? `${formatMoney(totals.cost / totals.requests)} per request`
              : undefined
          }
          course={course(sumOfSeries(overview.cost_by_provider, requests.length))}
        />
        <Kpi
          name="Tokens"
          testId="kpi-tokens"
          value={tokens(totals)}
          previous={tokens(previous)}
          format={formatCount}
          detail={`${tokensIn} in · ${tokensOut} out`}
        />
        <Kpi
          name="Latency p50"
          testId="kpi-latency-p50"
          value={totals.latency_p50_ms}
          previous={previous.latency_p50_ms}
          format={formatMilliseconds}
          more="bad"
          course={course(latencyCourse(overview, "p50"))}
        />
        <Kpi
          name="Latency p95"
          testId="kpi-latency-p95"
          value={totals.latency_p95_ms}
          previous={previous.latency_p95_ms}
          format={formatMilliseconds}
          more="bad"
          course={course(latencyCourse(overview, "p95"))}
        />
        <Kpi
          name="First token p50"
          testId="kpi-first-token"
          value={totals.first_token_p50_ms}
          previous={previous.first_token_p50_ms}
          format={formatMilliseconds}
          more="bad"
          detail="streams only"
        />
        <Kpi
          name="Failovers"
          testId="kpi-failovers"
          value={totals.failovers}
          previous={previous.failovers}
          format={formatCount}
          more="bad"
          detail="another provider answered"
        />
        {cached ? (
          <>
            <HitRate overview={overview} />
            <Kpi
              name="Saved by the cache"
              testId="kpi-cache-saved"
              value={saved(totals)}
              previous={saved(previous)}
              format={formatMoney}
              more="good"
              detail={`${formatMilliseconds(totals.cache.saved_ms)} of waiting`}
              course={course(overview.cache.saved_cost)}
            />
          </>
        ) : null}
      </ul>
    </section>
  );
}

/** The share of the requests that use the cache which it answers. */
export function HitRate({ overview }: { overview: Overview }) {
  const { cache } = overview.totals;
  const hits = cache.direct + cache.semantic;
  return (
    <Kpi
      name="Cache hit rate"
      testId="kpi-cache-hit-rate"
      value={cache.hit_rate}
      previous={overview.previous.cache.hit_rate}
      format={formatShare}
      more="good"
      change={points}
      detail={`${formatCount(hits)} of ${formatCount(hits + cache.misses)}`}
      course={hitRateCourse(overview)}
    />
  );
}
