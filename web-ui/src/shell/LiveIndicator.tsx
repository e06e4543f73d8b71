import { type LiveStatus, useLive } from "../api/live";
import { formatExactCount } from "../format";
import { classes } from "../ui/classes";

const WORDS: Record<LiveStatus, string> = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  signed_out: "Signed out",
};

/** Whether what the page shows is up to date by itself. */
export function LiveIndicator() {
  const { status, tick } = useLive();
  const isLive = status === "live";
  const title = tick ? `${formatExactCount(tick.requests)} requests since the gateway started` : "";
  return (
    <span
      role="status"
      title={title}
      className="inline-flex h-7 items-center gap-2 rounded-full border border-line bg-surface px-2.5 text-[13px] font-medium"
    >
      <span
        className={classes(
          "size-2 rounded-full",
          isLive ? "bg-bar-good" : "animate-pulse border-2 border-bar-warn",
        )}
        aria-hidden="true"
      />
      <span data-testid="live-indicator">{WORDS[status]}</span>
    </span>
  );
}
