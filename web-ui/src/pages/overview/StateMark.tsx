import type { ReactNode } from "react";
import type { HealthState } from "../../api/generated/HealthState";
import { classes } from "../../ui/classes";

type Look = { words: string; tone: string; shape: ReactNode };

/** A shape for each state, for those to whom the colours say nothing. */
const LOOKS: Record<HealthState, Look> = {
  healthy: {
    words: "Healthy",
    tone: "text-good",
    shape: <circle cx="6" cy="6" r="5" fill="currentColor" />,
  },
  degraded: {
    words: "Degraded",
    tone: "text-warn",
    shape: <path d="M6 .8 11.6 11H.4L6 .8Z" fill="currentColor" />,
  },
  cooling_down: {
    words: "Cooling down",
    tone: "text-bad",
    shape: <path d="M1.5 1h3.2v10H1.5zm5.8 0h3.2v10H7.3z" fill="currentColor" />,
  },
  disabled: {
    words: "Disabled",
    tone: "text-muted",
    shape: <path d="M1 5h10v2H1z" fill="currentColor" />,
  },
  unknown: {
    words: "No traffic yet",
    tone: "text-muted",
    shape: <circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" strokeWidth="1.6" />,
  },
};

export function StateMark({ state, children }: { state: HealthState; children?: ReactNode }) {
  const look = LOOKS[state];
  return (
    <span className={classes("inline-flex items-center gap-1.5 font-medium", look.tone)}>
      <svg viewBox="0 0 12 12" className="size-2.5 shrink-0" aria-hidden="true">
        {look.shape}
      </svg>
      <span>
        {look.words}
        {children}
      </span>
    </span>
  );
}
