import type { LimitUsage } from "../../api/generated/LimitUsage";
import { formatShare, formatWindow } from "../../format";
import { amount, resetInWords, shareTaken, takenInWords } from "../../limits";
import { classes } from "../../ui/classes";
import { FILL_IN_WORDS, fillOf, Meter } from "../../ui/Meter";
import { useNow } from "../../ui/useNow";

const TEXT = { good: "text-muted", warn: "font-medium text-warn", bad: "font-medium text-bad" };

/** A limit in figures and as a bar, with the time that its window has left. */
export function LimitBar({
  limit,
  of,
  detailed,
}: {
  limit: LimitUsage;
  of: string;
  detailed?: boolean;
}) {
  const now = useNow(10);
  const share = shareTaken(limit);
  const fill = fillOf(share);
  const label = `${of}: ${limit.unit} ${formatWindow(limit.window)}`;
  return (
    <div className="min-w-0">
      <div className="flex flex-wrap items-baseline justify-between gap-x-2">
        <span>{takenInWords(limit)}</span>
        <span className={classes("text-[13px]", TEXT[fill])}>{formatShare(share)}</span>
      </div>
      <div className="my-1">
        <Meter share={share} label={label} />
      </div>
      <p className="flex flex-wrap justify-between gap-x-2 text-[13px] text-muted">
        <span>
          {fill === "good" ? null : (
            <span className={TEXT[fill]}>{`${FILL_IN_WORDS[fill]} · `}</span>
          )}
          {formatWindow(limit.window)} · {resetInWords(limit, now)}
        </span>
        {detailed && limit.held > 0 ? (
          <span>{amount(limit, limit.held)} held for requests in flight</span>
        ) : null}
      </p>
    </div>
  );
}
