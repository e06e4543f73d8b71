import { useEffect, useRef, useState } from "react";
import type { CacheThreshold } from "../../api/generated/CacheThreshold";
import { formatShare } from "../../format";

/** Until the room is known. */
const USUAL_WIDTH = 560;
const HEIGHT = 240;
const EDGE = { left: 52, right: 14, top: 12, bottom: 34 };

type Props = { rows: CacheThreshold[]; threshold: number; suggested: number | null };
type Point = { at: number; share: number };

const LINES = [
  { name: "with the guard", colour: "--series-3", dash: undefined, of: "false_hit_rate" },
  { name: "without", colour: "--series-5", dash: "6 3", of: "false_hit_rate_unguarded" },
] as const;

/** The share of right answers among the graded hits, by threshold. */
export function PrecisionChart({ rows, threshold, suggested }: Props) {
  const lines = LINES.map((line) => ({ ...line, points: pointsOf(rows, line.of) }));
  const shares = lines.flatMap((line) => line.points.map((point) => point.share));
  // The differences that matter are near the top.
  const least = Math.min(0.9, Math.floor(Math.min(1, ...shares) * 10) / 10);
  const { host, width } = useWidth();
  const first = rows[0]?.threshold ?? 0;
  const last = rows.at(-1)?.threshold ?? 1;
  const x = (at: number) =>
    EDGE.left + ((at - first) / (last - first || 1)) * (width - EDGE.left - EDGE.right);
  const y = (share: number) =>
    EDGE.top + ((1 - share) / (1 - least)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => least + (1 - least) * part);
  return (
    <figure ref={host} className="min-w-0">
      <svg
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={sentence(lines, suggested)}
        className="max-w-full text-[12px]"
      >
        {ticks.map((share) => (
          <g key={share}>
            <path d={`M${EDGE.left} ${y(share)}H${width - EDGE.right}`} stroke="var(--line)" />
            <text x={EDGE.left - 8} y={y(share) + 4} textAnchor="end" fill="var(--muted)">
              {formatShare(share)}
            </text>
          </g>
        ))}
        {rows
          .filter((_, at) => at % 6 === 0)
          .map((row) => (
            <text
              key={row.threshold}
              x={x(row.threshold)}
              y={HEIGHT - 14}
              textAnchor="middle"
              fill="var(--muted)"
            >
              {row.threshold.toFixed(2)}
            </text>
          ))}
        <Marker at={threshold} within={[first, last]} x={x} colour="var(--muted)" dash="2 3" />
        {suggested === null ? null : (
          <Marker at={suggested} within={[first, last]} x={x} colour="var(--accent)" />
        )}
        {lines.map((line) => (
          <g key={line.name} stroke={`var(${line.colour})`} fill="none">
            <path
              d={line.points
                .map(({ at, share }, index) => `${index > 0 ? "L" : "M"}${x(at)} ${y(share)}`)
                .join("")}
              strokeWidth="2"
              strokeDasharray={line.dash}
              strokeLinejoin="round"
            />
            {line.points.map(({ at, share }) => (
              <circle
                key={at}
                cx={x(at)}
                cy={y(share)}
                r="2"
                fill={`var(${line.colour})`}
                stroke="none"
              />
            ))}
          </g>
        ))}
      </svg>
      <figcaption className="flex flex-wrap gap-x-4 gap-y-1 text-[13px] text-muted">
        <span>Right answers among the hits from a similarity on:</span>
        {lines.map((line) => (
          <span key={line.name} className="flex items-center gap-1.5">
            <svg viewBox="0 0 20 4" aria-hidden="true" className="h-1 w-5">
              <path
                d="M0 2H20"
                stroke={`var(${line.colour})`}
                strokeWidth="3"
                strokeDasharray={line.dash}
              />
            </svg>
            {line.name}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

/** The width of the element that `host` is given to; one unit of the drawing is one pixel. */
function useWidth() {
  const host = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(USUAL_WIDTH);
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.max(200, Math.floor(entry.contentRect.width)));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { host, width };
}

type MarkerProps = {
  at: number;
  within: [number, number];
  x: (at: number) => number;
  colour: string;
  dash?: string;
};

/** A threshold; one beside the drawing is left out. */
function Marker({ at, within, x, colour, dash }: MarkerProps) {
  if (at < within[0] || at > within[1]) return null;
  return (
    <path
      d={`M${x(at)} ${EDGE.top}V${HEIGHT - EDGE.bottom}`}
      stroke={colour}
      strokeDasharray={dash}
    />
  );
}

function pointsOf(rows: CacheThreshold[], of: (typeof LINES)[number]["of"]): Point[] {
  return rows.flatMap((row) => {
    const rate = row[of];
    return rate === null ? [] : [{ at: row.threshold, share: 1 - rate }];
  });
}

function sentence(lines: { name: string; points: Point[] }[], suggested: number | null): string {
  const parts = lines.map(({ name, points }) => {
    const worst = points.reduce((least, point) => Math.min(least, point.share), 1);
    return points.length > 0 ? `${name} at least ${formatShare(worst)}` : `${name} unknown`;
  });
  const advice = suggested === null ? "" : `; ${suggested.toFixed(2)} is suggested`;
  return `Lines of right answers among graded hits by threshold: ${parts.join(", ")}${advice}.`;
}
