import { useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { Overview } from "../../api/generated/Overview";
import { useOverview } from "../../api/overview";
import { type RangeName, USUAL_RANGE } from "../../ranges";
import { PageHeader } from "../../shell/PageHeader";
import { Trouble } from "../../shell/Trouble";
import { coloursOf } from "../../ui/palette";
import { BudgetStrip } from "./BudgetStrip";
import { Charts } from "./Charts";
import { Failovers } from "./Failovers";
import { FirstRun } from "./FirstRun";
import { HealthBoard } from "./HealthBoard";
import { Kpis } from "./Kpis";
import { RangePicker } from "./RangePicker";
import { Recent } from "./Recent";
import { Warnings } from "./Warnings";

export function OverviewPage() {
  const range = useSearch({ from: "/" }).range ?? USUAL_RANGE;
  const { data, error, refetch } = useOverview(range);
  const [firstRun, skipFirstRun] = useFirstRun(data);
  return (
    <>
      <PageHeader title="Overview">
        {data && !firstRun ? <RangePicker range={range} /> : null}
      </PageHeader>
      {error ? <Trouble error={error} onRetry={refetch} hasData={data !== undefined} /> : null}
      {data && !firstRun ? <Figures overview={data} range={range} /> : null}
      {data && firstRun ? <FirstRun overview={data} onSkip={skipFirstRun} /> : null}
      {data || error ? null : <Skeleton />}
    </>
  );
}

/** Whether the newcomer's steps are shown: until the first request ever, or until they are skipped. */
function useFirstRun(overview: Overview | undefined): [boolean, () => void] {
  const [skipped, setSkipped] = useState(false);
  const empty = overview?.providers.length === 0;
  const silent = overview?.recent.length === 0 && overview.totals.requests === 0;
  return [empty || (silent && !skipped), () => setSkipped(true)];
}

function Figures({ overview, range }: { overview: Overview; range: RangeName }) {
  const names = JSON.stringify([
    ...overview.providers.map((provider) => provider.name),
    ...Object.keys(overview.requests_by_provider),
  ]);
  const colours = useMemo(() => coloursOf(JSON.parse(names) as string[]), [names]);
  return (
    <>
      <Warnings warnings={overview.warnings} keys={overview.virtual_keys} />
      <div className="flex flex-col gap-4">
        <Kpis overview={overview} />
        <Charts overview={overview} range={range} colours={colours} />
        <div className="grid items-stretch gap-4 xl:grid-cols-2">
          <Failovers failovers={overview.failovers} recent={overview.recent} colours={colours} />
          <BudgetStrip keys={overview.virtual_keys} />
        </div>
        <HealthBoard providers={overview.providers} colours={colours} />
        <Recent recent={overview.recent} />
      </div>
    </>
  );
}

function Skeleton() {
  return (
    <div role="status" className="grid animate-pulse grid-cols-2 gap-3 lg:grid-cols-4">
      <span className="sr-only">Loading</span>
      {Array.from({ length: 8 }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <div key={at} className="h-28 rounded-lg bg-sunken" />
      ))}
    </div>
  );
}
