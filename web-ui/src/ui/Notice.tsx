import type { ReactNode } from "react";
import { classes } from "./classes";
import { Icon } from "./Icon";

type Tone = "warn" | "bad";
const TONES: Record<Tone, string> = {
  warn: "border-warn/40 bg-warn-soft text-warn",
  bad: "border-bad/40 bg-bad-soft text-bad",
};

export function Notice({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <div className={classes("flex items-start gap-2 rounded-md border px-3 py-2", TONES[tone])}>
      <Icon name="warning" className="mt-0.5" />
      <div className="min-w-0 flex-1 break-words">{children}</div>
    </div>
  );
}
