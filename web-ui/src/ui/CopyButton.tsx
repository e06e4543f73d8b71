import { useEffect, useState } from "react";
import { Button } from "./Button";
import { Icon } from "./Icon";

type Outcome = "ready" | "copied" | "failed";
const WORDS: Record<Outcome, string> = { ready: "Copy", copied: "Copied", failed: "Press Ctrl+C" };
const SHOWN_MS = 2000;

/** Copies `text`. `what` names it for those who do not see what it stands beside. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [outcome, setOutcome] = useState<Outcome>("ready");

  useEffect(() => {
    if (outcome === "ready") return;
    const timer = window.setTimeout(() => setOutcome("ready"), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [outcome]);

  const onClick = async () => setOutcome((await copy(text)) ? "copied" : "failed");
  return (
    <Button small onClick={onClick} aria-label={`Copy ${what}`}>
      <Icon name={outcome === "copied" ? "check" : "copy"} />
      <span aria-live="polite">{WORDS[outcome]}</span>
    </Button>
  );
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The clipboard interface is missing on plain http under another name than localhost.
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  const focused = document.activeElement;
  // Inside an open dialog, focus outside of it is taken back at once.
  (document.querySelector("[role=dialog]") ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
