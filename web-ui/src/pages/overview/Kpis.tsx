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
import { latencyCourse, sinceFirst, successCourse, sumOfSeries } from "./courses";
import { Kpi } from "./Kpi";

const successShare = (totals: Totals) =>
  totals.requests > 0 ? (totals.requests - totals.errors) / totals.requests : null;

function points(now: number, before: number): string {
  const difference = Number(((now - before) * 100).toFixed(1));
  if (difference === 0) return "±0 pt";
  return `${difference < 0 ? "−" : "+"}${Math.abs(difference)} pt`;
}

/** The figures of the range, each beside the range before. */
export function Kpis({ overview }: { overview: Overview }) {
  const { totals, previous } = overview;
  const requests = sumOfSeries(overview.requests_by_provider, overview.timestamps.length);
  const course = <Value,>(values: Value[]) => sinceFirst(requests, values);
  const [tokensIn, tokensOut] = formatCounts([totals.input_tokens, totals.output_tokens]);
  const tokens = (sums: Totals) => sums.input_tokens + sums.output_tokens;
  return (
    <section aria-labelledby="figures-title">
      <h2 id="figures-title" className="sr-only">
        Key figures
      </h2>
      <ul className="grid grid-cols-2 gap-3 lg:grid-cols-4">
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
      </ul>
    </section>
  );
}
