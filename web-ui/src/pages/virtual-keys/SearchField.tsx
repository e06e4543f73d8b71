import { useEffect, useState } from "react";
import { Icon } from "../../ui/Icon";

const PAUSE_MS = 250;

/** Looks for what was typed once the typing pauses. */
export function SearchField({
  value,
  onChange,
}: {
  value: string;
  onChange: (text: string) => void;
}) {
  const [text, setText] = useState(value);
  useEffect(() => {
    if (text === value) return;
    const timer = window.setTimeout(() => onChange(text), PAUSE_MS);
    return () => window.clearTimeout(timer);
  }, [text, value, onChange]);
  return (
    <label className="relative block">
      <span className="sr-only">Search virtual keys</span>
      <Icon name="search" className="absolute top-2.5 left-2.5 text-muted" />
      <input
        type="search"
        value={text}
        onChange={(event) => setText(event.target.value)}
        placeholder="Name or id"
        className="h-9 w-56 rounded-md border border-line-strong bg-surface pr-2 pl-8"
      />
    </label>
  );
}
