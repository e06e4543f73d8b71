import { useState } from "react";
import { type KeyCache, useSetKeyCache, type VirtualKey } from "../../api/virtualKeys";
import { formatDuration } from "../../format";
import { Choice } from "../../ui/Choice";
import { Notice } from "../../ui/Notice";
import type { CacheChoice } from "./form";

const OPTIONS = [
  { value: "inherit", label: "Inherit" },
  { value: "on", label: "On" },
  { value: "off", label: "Off" },
] as const;

export const CACHE_CHOICES: Record<CacheChoice, string> = {
  inherit: "What holds for everybody: usually only requests that name a cache key use it.",
  on: "Every request of the key uses it, without a header.",
  off: "No request of the key uses it, whatever its headers say.",
};

type Props = { value: CacheChoice; onChange: (value: CacheChoice) => void };

export function CacheSwitch({ value, onChange }: Props) {
  return <Choice legend="Semantic cache" options={OPTIONS} value={value} onChange={onChange} />;
}

/** Whether a key uses the semantic cache, to be changed on the spot. */
export function CacheOfKey({ virtualKey }: { virtualKey: VirtualKey }) {
  const save = useSetKeyCache();
  const cache = virtualKey.semantic_cache;
  // What was chosen stands there until the key is known to have changed, or the change was refused.
  const known = JSON.stringify(cache);
  const [chosen, setChosen] = useState<{ of: string; choice: CacheChoice } | null>(null);
  const shown = chosen?.of === known ? chosen.choice : choiceOf(cache);
  const choose = (choice: CacheChoice) => {
    setChosen({ of: known, choice });
    const change = { id: virtualKey.id, cache: changed(cache, choice) };
    save.mutate(change, { onError: () => setChosen(null) });
  };
  const overrides = overridesOf(cache);
  return (
    <section aria-labelledby="cache-title" className="flex flex-col items-start gap-2">
      <h3 id="cache-title" className="font-semibold">
        Semantic cache
      </h3>
      {save.error ? <Notice tone="bad">{save.error.message}</Notice> : null}
      <CacheSwitch value={shown} onChange={choose} />
      <p className="text-[13px] text-muted">
        {CACHE_CHOICES[shown]}
        {overrides ? ` Its own settings: ${overrides}.` : ""}
      </p>
    </section>
  );
}

function choiceOf(cache: KeyCache | null): CacheChoice {
  if (cache === null) return "inherit";
  return (typeof cache === "boolean" ? cache : cache.enabled) ? "on" : "off";
}

/** Settings of the key's own outlast being switched off and on, but not being given up. */
function changed(cache: KeyCache | null, choice: CacheChoice): KeyCache | null {
  if (choice === "inherit") return null;
  const enabled = choice === "on";
  return cache !== null && typeof cache === "object" ? { ...cache, enabled } : enabled;
}

function overridesOf(cache: KeyCache | null): string {
  if (cache === null || typeof cache === "boolean") return "";
  const words = [
    cache.mode === undefined ? "" : `mode ${cache.mode}`,
    cache.threshold === undefined ? "" : `threshold ${cache.threshold}`,
    cache.ttl === undefined ? "" : `kept for ${formatDuration(cache.ttl)}`,
    cache.scope === undefined ? "" : `shared by ${cache.scope.replace("_", " ")}`,
  ];
  return words.filter(Boolean).join(", ");
}
