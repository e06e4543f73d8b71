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
  // What was just chosen stands there at once; a refusal takes it back.
  const shown = choiceOf(save.isPending && save.variables ? save.variables.cache : cache);
  const choose = (choice: CacheChoice) =>
    save.mutate({ id: virtualKey.id, cache: chosen(cache, choice) });
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
function chosen(cache: KeyCache | null, choice: CacheChoice): KeyCache | null {
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
