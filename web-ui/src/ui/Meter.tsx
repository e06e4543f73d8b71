import { formatShare } from "../format";
import { classes } from "./classes";

export type Fill = "good" | "warn" | "bad";

/** Below 80 % is calm, up to the limit a warning, at the limit requests are refused. */
export function fillOf(share: number): Fill {
  if (share >= 1) return "bad";
  return share >= 0.8 ? "warn" : "good";
}

export const FILL_IN_WORDS: Record<Fill, string> = {
  good: "within limit",
  warn: "close to limit",
  bad: "limit reached",
};

const BARS: Record<Fill, string> = {
  good: "bg-bar-good",
  warn: "bg-bar-warn",
  bad: "bg-bar-bad",
};

/** How much of a limit is used, as a bar. The figures stand beside it as text. */
export function Meter({ share, label }: { share: number; label: string }) {
  const fill = fillOf(share);
  const percent = Math.min(100, Math.max(0, share * 100));
  return (
    <div
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(percent)}
      aria-valuetext={`${formatShare(share)}, ${FILL_IN_WORDS[fill]}`}
      className="h-2 w-full overflow-hidden rounded-full bg-sunken ring-1 ring-line ring-inset"
    >
      <div
        className={classes("h-full rounded-full transition-[width]", BARS[fill])}
        style={{ width: `${percent > 0 ? Math.max(percent, 1.5) : 0}%` }}
      />
    </div>
  );
}
