import { Link } from "@tanstack/react-router";
import type { VirtualKeyUsage } from "../../api/generated/VirtualKeyUsage";
import { formatShare, formatWindow } from "../../format";
import { closestToLimit, resetInWords, shareTaken, takenInWords } from "../../limits";
import { Card } from "../../ui/Card";
import { classes } from "../../ui/classes";
import { FILL_IN_WORDS, fillOf, Meter } from "../../ui/Meter";
import { useNow } from "../../ui/useNow";

const SHOWN = 5;
const TEXT = { good: "text-muted", warn: "text-warn font-medium", bad: "text-bad font-medium" };

/** The virtual keys that will be refused first. */
export function BudgetStrip({ keys }: { keys: VirtualKeyUsage[] }) {
  const now = useNow(10);
  const closest = closestToLimit(keys, SHOWN);
  return (
    <Card
      title="Closest to their limits"
      testId="budget-strip"
      note="Virtual keys, fullest limit first"
    >
      {closest.length === 0 ? (
        <p className="flex flex-1 flex-col items-center justify-center gap-2 py-8 text-center text-muted">
          {keys.length === 0 ? "There are no virtual keys yet." : "No virtual key has a limit."}
          <Link to="/virtual-keys" className="font-medium text-accent underline">
            {keys.length === 0 ? "Create one" : "See the virtual keys"}
          </Link>
        </p>
      ) : (
        <ul className="flex flex-col gap-3">
          {closest.map(({ key, limit }) => {
            const share = shareTaken(limit);
            const fill = fillOf(share);
            return (
              <li key={key.id}>
                <div className="flex flex-wrap items-baseline justify-between gap-x-3">
                  <Link
                    to="/virtual-keys"
                    search={(before) => ({ ...before, key: key.id })}
                    className="min-w-0 truncate py-0.5 font-medium hover:underline"
                  >
                    {key.name}
                  </Link>
                  <span>{takenInWords(limit)}</span>
                </div>
                <div className="my-1">
                  <Meter
                    share={share}
                    label={`${key.name}: ${limit.unit} ${formatWindow(limit.window)}`}
                  />
                </div>
                <div className="flex flex-wrap justify-between gap-x-3 text-[13px] text-muted">
                  <span className={classes(TEXT[fill])}>
                    {formatShare(share)}
                    {fill === "good" ? "" : `, ${FILL_IN_WORDS[fill]}`}
                  </span>
                  <span>
                    {limit.scope === "virtual_key" ? "" : `${limit.scope} only · `}
                    {formatWindow(limit.window)} · {resetInWords(limit, now)}
                  </span>
                </div>
              </li>
            );
          })}
        </ul>
      )}
    </Card>
  );
}
