import { useState } from "react";
import type { RecentRequest } from "../../api/generated/RecentRequest";
import { formatClock, formatExactCount, formatMilliseconds, formatMoney } from "../../format";
import { Card } from "../../ui/Card";
import { Choice } from "../../ui/Choice";
import { classes } from "../../ui/classes";
import { Icon } from "../../ui/Icon";
import { Prose } from "../../ui/Prose";
import { outcomeInWords } from "./reasons";

const SHOWN = 12;

type Which = "all" | "failovers" | "errors";
const WHICH = [
  { value: "all", label: "All" },
  { value: "failovers", label: "Failovers" },
  { value: "errors", label: "Errors" },
] as const;
const BELONGS: Record<Which, (request: RecentRequest) => boolean> = {
  all: () => true,
  failovers: ({ attempts }) => attempts.some(({ provider }) => provider !== attempts[0]?.provider),
  errors: ({ status }) => status >= 400,
};

/** The latest requests, each with the way that it took. */
export function Recent({ recent }: { recent: RecentRequest[] }) {
  const [which, setWhich] = useState<Which>("all");
  if (recent.length === 0) return null;
  const rows = recent.filter(BELONGS[which]).slice(0, SHOWN);
  const actions = <Choice legend="Which" options={WHICH} value={which} onChange={setWhich} />;
  return (
    <Card title="Latest requests" testId="recent-requests" actions={actions}>
      {rows.length === 0 ? (
        <p className="py-8 text-center text-muted">
          No {which} among the latest {recent.length} requests
        </p>
      ) : (
        <Rows rows={rows} />
      )}
    </Card>
  );
}

function Rows({ rows }: { rows: RecentRequest[] }) {
  return (
    <>
      <div className="hidden xl:block">
        <table className="w-full text-left">
          <thead className="text-[13px] text-muted">
            <tr>
              <Heading>Time</Heading>
              <Heading>Status</Heading>
              <Heading>Virtual key</Heading>
              <Heading>Route</Heading>
              <Heading>Model</Heading>
              <Heading right>Latency</Heading>
              <Heading right>Tokens in / out</Heading>
              <Heading right>Cost</Heading>
            </tr>
          </thead>
          <tbody>
            {rows.map((request) => (
              <tr key={request.id} className="border-t border-line align-top">
                <Cell>{formatClock(request.timestamp_ms / 1000)}</Cell>
                <Cell>
                  <Status request={request} />
                </Cell>
                <Cell narrow>{request.virtual_key ?? "–"}</Cell>
                <Cell wraps>
                  <Route request={request} />
                </Cell>
                <Cell wraps>{request.model ?? request.model_requested}</Cell>
                <Cell right>{formatMilliseconds(request.latency_ms)}</Cell>
                <Cell right>{tokens(request)}</Cell>
                <Cell right>{request.cost === null ? "–" : formatMoney(request.cost)}</Cell>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <ul className="xl:hidden">
        {rows.map((request) => (
          <li key={request.id} className="border-line py-2 not-first:border-t">
            <div className="flex items-baseline justify-between gap-2">
              <span className="flex items-baseline gap-2">
                <Status request={request} />
                <span className="min-w-0 break-all">
                  {request.model ?? request.model_requested}
                </span>
              </span>
              <span className="whitespace-nowrap text-muted">
                {formatClock(request.timestamp_ms / 1000)}
              </span>
            </div>
            <div className="mt-1 flex items-end justify-between gap-2">
              <Route request={request} />
              <span className="text-[13px] whitespace-nowrap text-muted">
                {formatMilliseconds(request.latency_ms)} ·{" "}
                {request.cost === null ? "no price" : formatMoney(request.cost)}
              </span>
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

function tokens(request: RecentRequest): string {
  return `${formatExactCount(request.input_tokens)} / ${formatExactCount(request.output_tokens)}`;
}

function Heading({ right, children }: { right?: boolean; children: string }) {
  return (
    <th scope="col" className={classes("pr-4 pb-1.5 font-medium last:pr-0", right && "text-right")}>
      {children}
    </th>
  );
}

type CellProps = { right?: boolean; wraps?: boolean; narrow?: boolean; children: React.ReactNode };

function Cell({ right, wraps, narrow, children }: CellProps) {
  return (
    <td
      className={classes(
        "py-1.5 pr-4 last:pr-0",
        right && "text-right",
        wraps ? "wrap-anywhere" : "whitespace-nowrap",
        narrow && "max-w-44 truncate",
      )}
      title={narrow && typeof children === "string" ? children : undefined}
    >
      {children}
    </td>
  );
}

function Status({ request }: { request: RecentRequest }) {
  const good = request.status < 400;
  return (
    <span
      title={request.error ?? undefined}
      className={classes("font-semibold", good ? "text-good" : "text-bad")}
    >
      {good ? "✓" : "✕"} {request.status}
    </span>
  );
}

const KINDS = {
  direct: ["exact", "the exact request had been answered before"],
  semantic: ["semantic", "a similar request had been answered before"],
} as const;

/** No provider was asked: the cache answered. */
function FromCache({ kind }: { kind: keyof typeof KINDS }) {
  const [word, meaning] = KINDS[kind];
  return (
    <span
      title={meaning}
      className="inline-flex items-center gap-1 rounded bg-accent-soft px-1.5 py-0.5 text-[13px] text-accent"
    >
      <Icon name="cache" className="size-3.5" />
      cache · {word}
    </span>
  );
}

/** Every attempt in order: where it went and how it ended. */
function Route({ request }: { request: RecentRequest }) {
  if (request.attempts.length === 0 && request.cache) return <FromCache kind={request.cache} />;
  if (request.attempts.length === 0) {
    return (
      <span className="text-[13px] text-muted">
        <Prose text={request.error ?? "reached no provider"} />
      </span>
    );
  }
  return (
    <ol className="flex flex-wrap items-center gap-1 text-[13px]">
      {request.attempts.map((attempt, at) => {
        const ok = attempt.outcome === "ok";
        const name = attempt.key ? `${attempt.provider}/${attempt.key}` : attempt.provider;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: attempts are told apart by their order only
          <li key={at} className="flex items-center gap-1">
            {at > 0 ? (
              <span aria-hidden="true" className="text-muted">
                →
              </span>
            ) : null}
            <span
              title={ok ? "answered" : outcomeInWords(attempt.outcome)}
              className={classes(
                "rounded px-1.5 py-0.5 wrap-anywhere",
                ok ? "bg-good-soft text-good" : "bg-bad-soft text-bad",
              )}
            >
              {name} {ok ? "✓" : `✕ ${attempt.outcome}`}
            </span>
          </li>
        );
      })}
      {request.cache ? (
        <li className="flex items-center gap-1">
          <span aria-hidden="true" className="text-muted">
            →
          </span>
          <FromCache kind={request.cache} />
        </li>
      ) : null}
    </ol>
  );
}
