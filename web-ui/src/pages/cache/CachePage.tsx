import { useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useCacheStatus } from "../../api/cache";
import type { CacheStatus } from "../../api/generated/CacheStatus";
import type { Overview } from "../../api/generated/Overview";
import { useOverview } from "../../api/overview";
import { formatCount, formatMilliseconds, formatMoney } from "../../format";
import { type RangeName, USUAL_RANGE } from "../../ranges";
import { PageHeader } from "../../shell/PageHeader";
import { Trouble } from "../../shell/Trouble";
import { Button } from "../../ui/Button";
import { CacheChart, usesCache } from "../overview/CacheChart";
import { Kpi } from "../overview/Kpi";
import { HitRate } from "../overview/Kpis";
import { RangePicker } from "../overview/RangePicker";
import { EmptyCache } from "./EmptyCache";
import { Entries } from "./Entries";
import { Reasons } from "./Reasons";
import { SettingsDialog } from "./SettingsDialog";
import { Shadow } from "./Shadow";
import { State } from "./State";
import { formatBytes, isOnForSomebody } from "./words";

/** How the semantic cache does, and what steers it. */
export function CachePage() {
  const range = useSearch({ from: "/cache" }).range ?? USUAL_RANGE;
  const { data: status, error, refetch } = useCacheStatus();
  const overview = useOverview(range).data;
  const [changing, setChanging] = useState(false);
  const used = overview !== undefined && usesCache(overview);
  return (
    <>
      <PageHeader title="Cache">
        {used ? <RangePicker range={range} /> : null}
        {status ? <Button onClick={() => setChanging(true)}>Change settings</Button> : null}
      </PageHeader>
      {error ? <Trouble error={error} onRetry={refetch} hasData={status !== undefined} /> : null}
      {status ? (
        <div className="flex flex-col gap-4">
          {isOnForSomebody(status) || hasHappened(status) ? null : <EmptyCache status={status} />}
          {used ? <Figures overview={overview} range={range} status={status} /> : null}
          <div className="grid items-start gap-4 xl:grid-cols-2">
            <State status={status} />
            <Reasons status={status} />
          </div>
          <Shadow status={status} />
          <Entries status={status} />
        </div>
      ) : null}
      {status ? (
        <SettingsDialog open={changing} status={status} onClose={() => setChanging(false)} />
      ) : null}
    </>
  );
}

function hasHappened(status: CacheStatus): boolean {
  return status.exact_hits + status.semantic_hits + status.misses + status.would_be_hits > 0;
}

type FiguresProps = { overview: Overview; range: RangeName; status: CacheStatus };

function Figures({ overview, range, status }: FiguresProps) {
  const { totals, previous } = overview;
  return (
    <>
      <section aria-labelledby="figures-title">
        <h2 id="figures-title" className="sr-only">
          Key figures
        </h2>
        <ul className="grid grid-cols-2 gap-3 lg:grid-cols-4">
          <HitRate overview={overview} />
          <Kpi
            name="Money saved"
            testId="kpi-saved-cost"
            value={totals.cache.saved_cost}
            previous={previous.cache.saved_cost}
            format={formatMoney}
            more="good"
            detail="what the answers had cost"
          />
          <Kpi
            name="Waiting saved"
            testId="kpi-saved-time"
            value={totals.cache.saved_ms}
            previous={previous.cache.saved_ms}
            format={formatMilliseconds}
            more="good"
            detail="what they had taken longer"
          />
          <Kpi
            name="Entries"
            testId="kpi-entries"
            value={status.entries}
            previous={null}
            format={formatCount}
            detail={status.bytes === null ? undefined : formatBytes(status.bytes)}
          />
        </ul>
      </section>
      <CacheChart overview={overview} range={range} />
    </>
  );
}
