import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { type ToClear, useCacheEntry, useClearCache } from "../../api/cache";
import type { CacheEntry } from "../../api/generated/CacheEntry";
import type { CacheStatus } from "../../api/generated/CacheStatus";
import { formatDuration, formatExactMoney, formatMoment, plural } from "../../format";
import { Button } from "../../ui/Button";
import { Card } from "../../ui/Card";
import { Field, INPUT } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Notice } from "../../ui/Notice";
import { useNow } from "../../ui/useNow";
import { ConfirmDialog } from "./ConfirmDialog";
import { formatBytes } from "./words";

/** Looking at a kept answer, and taking answers away. */
export function Entries({ status }: { status: CacheStatus }) {
  const [asked, setAsked] = useState<ToClear | null>(null);
  const clear = useClearCache();
  const removed = clear.data?.removed;
  const close = () => setAsked(null);
  const ask = (what: ToClear) => {
    clear.reset();
    setAsked(what);
  };
  return (
    <div className="grid items-start gap-4 xl:grid-cols-2">
      <LookUp onRemove={(id) => ask({ what: "entry", name: id })} />
      <Clear entries={status.entries} onAsk={ask}>
        <p role="status" className="min-h-5 text-[13px] text-muted">
          {removed === undefined ? "" : `${plural(removed, "entry", "entries")} removed.`}
        </p>
      </Clear>
      <ConfirmDialog
        open={asked !== null}
        title={asked ? TITLES[asked.what] : ""}
        description={asked ? descriptionOf(asked) : ""}
        action="Clear now"
        busy={clear.isPending}
        error={clear.error}
        onClose={close}
        onConfirm={() => asked && clear.mutate(asked, { onSuccess: close })}
      />
    </div>
  );
}

const TITLES: Record<ToClear["what"], string> = {
  everything: "Clear the whole cache?",
  entry: "Remove this entry?",
  key: "Clear a cache key?",
  scope: "Clear a scope?",
};

function descriptionOf(clear: ToClear): string {
  const what =
    clear.what === "everything"
      ? "Every entry, of all virtual keys,"
      : `Everything of ${clear.name}`;
  const goes = clear.what === "entry" ? `The entry ${clear.name} goes.` : `${what} goes.`;
  return `${goes} The next requests ask the providers again.`;
}

function LookUp({ onRemove }: { onRemove: (id: string) => void }) {
  const id = useSearch({ from: "/cache" }).entry;
  const navigate = useNavigate({ from: "/cache" });
  const [typed, setTyped] = useState(id ?? "");
  const entry = useCacheEntry(id);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    navigate({ search: (before) => ({ ...before, entry: typed.trim() || undefined }) });
  };
  return (
    <Card title="Look up an entry" testId="cache-look-up">
      <form onSubmit={submit} className="flex items-end gap-2">
        <div className="min-w-0 flex-1">
          <Field label="Id" hint="The cache_id in cache_debug.">
            {(field) => (
              <input
                {...field}
                className={INPUT}
                autoComplete="off"
                spellCheck={false}
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
              />
            )}
          </Field>
        </div>
        <Button type="submit" className="mb-6">
          <Icon name="search" />
          Look up
        </Button>
      </form>
      <div aria-live="polite" className="mt-3">
        {entry.error ? <Notice tone="warn">{entry.error.message}</Notice> : null}
        {entry.data && !entry.error ? (
          <Entry entry={entry.data} onRemove={() => onRemove(entry.data.id)} />
        ) : null}
      </div>
    </Card>
  );
}

function Entry({ entry, onRemove }: { entry: CacheEntry; onRemove: () => void }) {
  const left = entry.expires_ms / 1000 - useNow(5);
  const facts: [string, ReactNode][] = [
    ["Question", entry.question || "only the exact request is answered"],
    ["Answered by", `${entry.provider}/${entry.model}`],
    ["Scope", <code key="scope">{entry.scope}</code>],
    ["Cache key", entry.cache_key || "none"],
    ["Size", formatBytes(entry.answer_bytes)],
    ["Had cost", formatExactMoney(entry.cost)],
    ["Kept since", formatMoment(entry.created_ms / 1000)],
    ["Expires", left > 0 ? `in ${formatDuration(left)}` : "now"],
  ];
  return (
    <>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1.5">
        {facts.map(([name, fact]) => (
          <div key={name} className="contents">
            <dt className="text-muted">{name}</dt>
            <dd className="wrap-anywhere">{fact}</dd>
          </div>
        ))}
      </dl>
      <Button small look="danger" className="mt-3" onClick={onRemove}>
        <Icon name="trash" />
        Remove this entry
      </Button>
    </>
  );
}

const KINDS = [
  { value: "everything", label: "Everything" },
  { value: "key", label: "One cache key" },
  { value: "scope", label: "One scope" },
] as const;
type Kind = (typeof KINDS)[number]["value"];

const NAMES: Record<Exclude<Kind, "everything">, { label: string; hint: string }> = {
  key: { label: "Cache key", hint: "What clients send as x-bf-cache-key." },
  scope: {
    label: "Scope",
    hint: "virtual_key:<id>, team:<id>, customer:<id>, or anonymous for requests without a key.",
  },
};

type ClearProps = {
  entries: number | null;
  onAsk: (what: ToClear) => void;
  children: ReactNode;
};

function Clear({ entries, onAsk, children }: ClearProps) {
  const [kind, setKind] = useState<Kind>("everything");
  const [name, setName] = useState("");
  const missing = kind !== "everything" && name.trim() === "";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (missing) return;
    onAsk(kind === "everything" ? { what: kind } : { what: kind, name: name.trim() });
  };
  return (
    <Card
      title="Clear"
      testId="cache-clear"
      note={entries === null ? undefined : `${plural(entries, "entry", "entries")} kept`}
    >
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Field label="What">
          {(field) => (
            <select
              {...field}
              className={INPUT}
              value={kind}
              onChange={(event) => setKind(event.target.value as Kind)}
            >
              {KINDS.map((one) => (
                <option key={one.value} value={one.value}>
                  {one.label}
                </option>
              ))}
            </select>
          )}
        </Field>
        {kind === "everything" ? null : (
          <Field label={NAMES[kind].label} hint={NAMES[kind].hint}>
            {(field) => (
              <input
                {...field}
                className={INPUT}
                autoComplete="off"
                spellCheck={false}
                value={name}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
        )}
        <div className="flex items-center justify-between gap-3">
          {children}
          <Button type="submit" look="danger" disabled={missing}>
            <Icon name="trash" />
            Clear
          </Button>
        </div>
      </form>
    </Card>
  );
}
