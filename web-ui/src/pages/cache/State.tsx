import type { ReactNode } from "react";
import { settingsOf, useSetCache } from "../../api/cache";
import type { CacheStatus } from "../../api/generated/CacheStatus";
import { formatCount, formatDuration } from "../../format";
import { Button } from "../../ui/Button";
import { Card } from "../../ui/Card";
import { classes } from "../../ui/classes";
import { Notice } from "../../ui/Notice";
import { Prose } from "../../ui/Prose";
import { formatBytes, MODES, SCOPES, thresholdInWords, usersInWords } from "./words";

/** Whether the cache is on, how it is set, and what it stands on. */
export function State({ status }: { status: CacheStatus }) {
  const save = useSetCache();
  const settings = settingsOf(status);
  const { mode, scope, ttl, max_temperature: temperature, guard } = settings;
  return (
    <Card
      title="State"
      testId="cache-state"
      actions={
        <Button
          small
          disabled={save.isPending}
          onClick={() => save.mutate({ enabled: !status.enabled })}
        >
          {status.enabled ? "Switch off" : "Switch on"}
        </Button>
      }
    >
      {save.error ? (
        <div role="alert" className="mb-3">
          <Notice tone="bad">{save.error.message}</Notice>
        </div>
      ) : null}
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-2">
        <Fact name="Cache">
          <Mark tone={status.enabled ? "good" : "plain"}>{status.enabled ? "On" : "Off"}</Mark>
          <Small>{usersInWords(status)}</Small>
        </Fact>
        <Fact name="Mode">
          {MODES[mode].name}
          <Small>{MODES[mode].meaning}</Small>
        </Fact>
        <Fact name="Threshold">{thresholdInWords(settings)}</Fact>
        <Fact name="Guard">
          {guard ? "On" : "Off"}
          <Small>
            {guard
              ? "Rejects similar requests that differ in something that matters."
              : "Similarity alone decides, which answers the wrong question now and then."}
          </Small>
        </Fact>
        <Fact name="Kept for">{formatDuration(ttl)}</Fact>
        <Fact name="Shared by">{SCOPES[scope]}</Fact>
        <Fact name="Temperature">up to {temperature}</Fact>
        <Fact name="Embeddings">
          {status.embedding_model ?? <Mark tone="plain">None</Mark>}
          {status.embedding_problem && mode !== "exact" ? (
            <Small>
              Exact hits only: <Prose text={status.embedding_problem} />
            </Small>
          ) : null}
        </Fact>
        <Fact name="Store">
          <span className="flex flex-wrap items-center gap-2">
            {status.store}
            <Mark tone={status.store_connected ? "good" : "bad"}>
              {status.store_connected ? "Connected" : "Away"}
            </Mark>
          </span>
          {status.store_problem ? <Small>{status.store_problem}</Small> : null}
        </Fact>
        <Fact name="Entries">
          {status.entries === null ? "–" : formatCount(status.entries)}
          {status.bytes === null ? "" : ` · ${formatBytes(status.bytes)}`}
        </Fact>
      </dl>
    </Card>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="wrap-anywhere">{children}</dd>
    </>
  );
}

function Small({ children }: { children: ReactNode }) {
  return <p className="text-[13px] text-muted">{children}</p>;
}

const TONES = {
  good: "bg-good-soft text-good",
  plain: "bg-sunken text-muted",
  bad: "bg-bad-soft text-bad",
};

function Mark({ tone, children }: { tone: keyof typeof TONES; children: string }) {
  return (
    <span
      className={classes(
        "inline-flex items-center gap-1.5 rounded-full px-2 py-0.5 text-[13px] font-medium",
        TONES[tone],
      )}
    >
      <span
        aria-hidden="true"
        className={classes(
          "size-2 rounded-full border-[1.5px] border-current",
          tone === "good" && "bg-current",
        )}
      />
      {children}
    </span>
  );
}
