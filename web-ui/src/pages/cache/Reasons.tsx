import type { CacheStatus } from "../../api/generated/CacheStatus";
import { formatExactCount, formatShare, plural } from "../../format";
import { Card } from "../../ui/Card";
import { guardInWords, pastInWords } from "./words";

/** Why requests were not looked for, and why what was found was not served. */
export function Reasons({ status }: { status: CacheStatus }) {
  const lookups = status.exact_hits + status.semantic_hits + status.misses;
  const all = lookups + status.bypassed;
  return (
    <div className="grid gap-4">
      <Card
        title="Went past the cache"
        testId="cache-past"
        note={
          all > 0
            ? `${plural(status.bypassed, "request")}, ${formatShare(status.bypassed / all)} of those that could have used it; since the start`
            : "Since the start"
        }
      >
        <Bars
          counts={status.bypass_reasons}
          inWords={pastInWords}
          empty="No request went past the cache"
          heading="Reason"
        />
      </Card>
      <Card
        title="Rejected by the guard"
        testId="cache-rejected"
        note="Similar requests that differ in something that matters; since the start"
      >
        <Bars
          counts={status.rejected}
          inWords={guardInWords}
          empty="The guard has rejected nothing"
          heading="Difference"
        />
      </Card>
      <Card title="Besides" testId="cache-besides" note="Since the start">
        <dl className="grid grid-cols-[minmax(0,1fr)_auto] gap-x-4 gap-y-1.5">
          <Count name="Waited for an identical request in flight" count={status.collapsed} />
          <Count name="Questions put to the judge" count={status.judged} />
          <Count name="Embeddings that could not be had" count={status.embedding_failures} />
          <Count name="Hits that shadow mode did not serve" count={status.would_be_hits} />
        </dl>
      </Card>
    </div>
  );
}

function Count({ name, count }: { name: string; count: number }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="text-right font-semibold">{formatExactCount(count)}</dd>
    </>
  );
}

type BarsProps = {
  counts: Record<string, number>;
  inWords: (name: string) => string;
  empty: string;
  heading: string;
};

/** Counts by name, the largest first, each with a bar. */
function Bars({ counts, inWords, empty, heading }: BarsProps) {
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const most = Math.max(1, ...rows.map(([, count]) => count));
  if (rows.length === 0) return <p className="py-4 text-center text-muted">{empty}</p>;
  return (
    <table className="w-full text-left">
      <thead className="sr-only">
        <tr>
          <th scope="col">{heading}</th>
          <th scope="col">Share</th>
          <th scope="col">Times</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, count]) => (
          <tr key={name} className="border-line not-first:border-t">
            <th scope="row" className="py-1.5 pr-3 font-normal">
              {inWords(name)}
            </th>
            <td className="w-2/5 py-1.5">
              <div className="h-2 rounded-full bg-sunken">
                <div
                  className="h-full rounded-full bg-[var(--series-8)]"
                  style={{ width: `${Math.max(2, (count / most) * 100)}%` }}
                />
              </div>
            </td>
            <td className="py-1.5 pl-3 text-right font-semibold">{formatExactCount(count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
