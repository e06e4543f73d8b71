import { useState } from "react";
import { settingsOf, useCacheReport, useClearReport, useSetCache } from "../../api/cache";
import type { CacheReport } from "../../api/generated/CacheReport";
import type { CacheStatus } from "../../api/generated/CacheStatus";
import type { CacheThreshold } from "../../api/generated/CacheThreshold";
import { formatExactCount, formatShare, plural } from "../../format";
import { Button } from "../../ui/Button";
import { Card } from "../../ui/Card";
import { classes } from "../../ui/classes";
import { Notice } from "../../ui/Notice";
import { ConfirmDialog } from "./ConfirmDialog";
import { PrecisionChart } from "./PrecisionChart";

/** What shadow mode has learned: how often a hit would have been right, by threshold. */
export function Shadow({ status }: { status: CacheStatus }) {
  const report = useCacheReport().data;
  const save = useSetCache();
  const clear = useClearReport();
  const [clearing, setClearing] = useState(false);
  const { mode, threshold } = settingsOf(status);
  const suggested = report?.suggested_threshold ?? null;
  const isNews = suggested !== null && suggested.toFixed(2) !== threshold.toFixed(2);
  const error = save.error ?? clear.error;
  const graded = report !== undefined && report.graded > 0;
  const actions = (
    <div className="flex flex-wrap gap-2">
      {graded ? (
        <Button small look="quiet" onClick={() => setClearing(true)}>
          Forget grades
        </Button>
      ) : null}
      {isNews ? (
        <Button
          small
          look="primary"
          disabled={save.isPending}
          onClick={() => save.mutate({ settings: { threshold: Number(suggested.toFixed(2)) } })}
        >
          Use {suggested.toFixed(2)}
        </Button>
      ) : null}
    </div>
  );
  return (
    <Card
      title="Graded precision"
      testId="cache-shadow"
      note="Shadow mode compares what it would have served with the real answer"
      actions={actions}
    >
      {error ? (
        <div role="alert" className="mb-3">
          <Notice tone="bad">{error.message}</Notice>
        </div>
      ) : null}
      {graded ? (
        <>
          <p role="status" className="mb-3">
            {verdict(report, threshold)}
          </p>
          <div className="grid gap-4 xl:grid-cols-2">
            <PrecisionChart rows={report.thresholds} threshold={threshold} suggested={suggested} />
            <Table rows={report.thresholds} threshold={threshold} suggested={suggested} />
          </div>
        </>
      ) : (
        <Nothing
          isShadow={mode === "shadow"}
          busy={save.isPending}
          onStart={() => save.mutate({ settings: { mode: "shadow" } })}
        />
      )}
      <ConfirmDialog
        open={clearing}
        title="Forget all grades?"
        description="The suggested threshold goes with them. This cannot be undone."
        action="Forget them"
        busy={clear.isPending}
        error={clear.error}
        onClose={() => setClearing(false)}
        onConfirm={() => clear.mutate(undefined, { onSuccess: () => setClearing(false) })}
      />
    </Card>
  );
}

function verdict(report: CacheReport, threshold: number): string {
  const graded = `${plural(report.graded, "would-be hit")} graded.`;
  const suggested = report.suggested_threshold;
  if (suggested === null) {
    return `${graded} No threshold can be suggested yet: one needs 20 graded hits with at most 1 % false ones.`;
  }
  if (suggested.toFixed(2) === threshold.toFixed(2)) {
    return `${graded} The threshold in force is the suggested one.`;
  }
  return `${graded} From ${suggested.toFixed(2)} on, at most 1 % of the hits would have been false; ${threshold.toFixed(2)} is in force.`;
}

type NothingProps = { isShadow: boolean; busy: boolean; onStart: () => void };

function Nothing({ isShadow, busy, onStart }: NothingProps) {
  return (
    <div className="flex flex-col items-center gap-3 py-6 text-center">
      <p className="max-w-xl text-muted">
        {isShadow
          ? "Shadow mode is on. Grades come as soon as somebody asks what was asked before in other words."
          : "Not sure which threshold is right for your questions? In shadow mode nothing is served from the cache; what would have been is graded against the real answer, and a threshold is suggested."}
      </p>
      {isShadow ? null : (
        <Button disabled={busy} onClick={onStart}>
          Start shadow mode
        </Button>
      )}
    </div>
  );
}

type TableProps = { rows: CacheThreshold[]; threshold: number; suggested: number | null };

const HEAD = "px-2 py-1.5 font-medium whitespace-nowrap";
const CELL = "px-2 py-1 whitespace-nowrap";

/** The figures behind the chart, the highest threshold first. */
function Table({ rows, threshold, suggested }: TableProps) {
  const shown = rows.filter((row) => row.hits_unguarded > 0).reverse();
  const same = (row: CacheThreshold, value: number | null) =>
    value !== null && row.threshold.toFixed(2) === value.toFixed(2);
  return (
    // It scrolls, so the keyboard must reach it.
    <section
      tabIndex={0}
      aria-label="Graded hits by threshold"
      className="max-h-64 overflow-auto rounded-md border border-line"
    >
      <table className="w-full text-right text-[13px]">
        <thead className="sticky top-0 bg-sunken">
          <tr>
            <th scope="col" className={classes(HEAD, "text-left")}>
              Threshold
            </th>
            <th scope="col" className={HEAD}>
              Hits
            </th>
            <th scope="col" className={HEAD}>
              False
            </th>
            <th scope="col" className={HEAD}>
              No guard: hits
            </th>
            <th scope="col" className={HEAD}>
              False
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr
              key={row.threshold}
              className={classes("border-t border-line", same(row, suggested) && "bg-accent-soft")}
            >
              <th scope="row" className={classes(CELL, "text-left font-normal")}>
                {row.threshold.toFixed(2)}
                {same(row, suggested) ? <span className="text-accent"> suggested</span> : null}
                {same(row, threshold) ? " in force" : null}
              </th>
              <td className={CELL}>{formatExactCount(row.hits)}</td>
              <td className={CELL}>{falseHits(row.false_hits, row.false_hit_rate)}</td>
              <td className={CELL}>{formatExactCount(row.hits_unguarded)}</td>
              <td className={CELL}>
                {falseHits(row.false_hits_unguarded, row.false_hit_rate_unguarded)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function falseHits(count: number, rate: number | null): string {
  return rate === null ? "–" : `${formatExactCount(count)} (${formatShare(rate)})`;
}
