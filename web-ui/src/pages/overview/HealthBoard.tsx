import type { KeyHealth } from "../../api/generated/KeyHealth";
import type { ProviderHealth } from "../../api/generated/ProviderHealth";
import { formatClock, formatDuration, formatExactCount, formatShare, plural } from "../../format";
import { useNow } from "../../ui/useNow";
import { StateMark } from "./StateMark";

type Props = { providers: ProviderHealth[]; colours: Map<string, string> };

/** Every provider and key as they are at this moment. */
export function HealthBoard({ providers, colours }: Props) {
  return (
    <section aria-labelledby="health-title">
      <h2 id="health-title" className="mb-2 font-semibold">
        Providers and keys
      </h2>
      <div className="grid gap-4 lg:grid-cols-2 xl:grid-cols-3">
        {providers.map((provider) => (
          <ProviderCard
            key={provider.name}
            provider={provider}
            colour={colours.get(provider.name) ?? "--series-none"}
          />
        ))}
      </div>
    </section>
  );
}

function ProviderCard({ provider, colour }: { provider: ProviderHealth; colour: string }) {
  return (
    <section
      aria-label={`Provider ${provider.name}`}
      data-testid={`provider-card-${provider.name}`}
      className="min-w-0 rounded-lg border border-line bg-surface shadow-card"
    >
      <header className="flex flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-2.5">
        <h3 className="flex min-w-0 items-center gap-2 font-semibold">
          <span
            aria-hidden="true"
            className="size-2.5 shrink-0 rounded-sm"
            style={{ background: `var(${colour})` }}
          />
          <span className="truncate">{provider.name}</span>
        </h3>
        <span className="flex items-center gap-3 text-[13px]">
          <span className="text-muted">{formatExactCount(provider.in_flight)} in flight</span>
          <StateMark state={provider.state} />
        </span>
      </header>
      {provider.keys.length === 0 ? (
        <p className="px-4 py-3 text-muted">This provider is called without a key.</p>
      ) : (
        <ul>
          {provider.keys.map((key) => (
            <KeyRow key={key.id} health={key} colour={colour} />
          ))}
        </ul>
      )}
    </section>
  );
}

function KeyRow({ health, colour }: { health: KeyHealth; colour: string }) {
  const succeeded = health.attempts - health.failures;
  return (
    <li
      data-testid={`key-row-${health.name}`}
      className="border-line px-4 py-2.5 not-first:border-t"
    >
      <div className="flex flex-wrap items-center justify-between gap-x-3 gap-y-0.5">
        <span className="min-w-0 truncate font-medium">{health.name}</span>
        <span className="text-[13px]">
          <StateMark state={health.state}>
            {health.cooling_until !== null ? <Countdown until={health.cooling_until} /> : null}
          </StateMark>
        </span>
      </div>
      <div className="mt-1 flex flex-wrap justify-between gap-x-4 text-[13px] text-muted">
        <span>
          {health.attempts > 0
            ? `${formatShare(succeeded / health.attempts)} of ${plural(health.attempts, "attempt")} succeeded`
            : "no attempt yet"}
        </span>
      </div>
      <Shares health={health} colour={colour} />
      {health.last_error ? (
        <p
          className="mt-1.5 line-clamp-2 text-[13px] break-words text-bad"
          title={health.last_error}
        >
          {errorInWords(health.last_error)}
        </p>
      ) : null}
    </li>
  );
}

/** `rate_limit (429): …` as `Rate limit (429): …`. */
function errorInWords(error: string): string {
  const words = error.replace(/^[a-z_]+(?= \(|:)/, (kind) => kind.replaceAll("_", " "));
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function Countdown({ until }: { until: number }) {
  const left = until - useNow();
  return (
    <>
      {" until "}
      {formatClock(until)}
      {left > 0 ? ` (${formatDuration(Math.ceil(left))})` : ""}
    </>
  );
}

/** The traffic that a key took, with a mark where its weight says it should be. */
function Shares({ health, colour }: { health: KeyHealth; colour: string }) {
  const actual = health.traffic_share;
  const weight = formatShare(health.weight_share);
  return (
    <div className="mt-1 min-w-0 text-[13px] text-muted">
      <div className="flex flex-wrap justify-between gap-x-2">
        <span>{actual === null ? "no traffic" : `${formatShare(actual)} of traffic`}</span>
        <span>weight {weight}</span>
      </div>
      <div
        aria-hidden="true"
        className="relative mt-1 h-1.5 rounded-full bg-sunken ring-1 ring-line"
      >
        <div
          className="h-full rounded-full transition-[width]"
          style={{ width: `${(actual ?? 0) * 100}%`, background: `var(${colour})` }}
        />
        <div
          className="absolute -top-0.5 h-2.5 w-0.5 bg-ink"
          style={{ left: `calc(${Math.min(1, health.weight_share) * 100}% - 1px)` }}
        />
      </div>
    </div>
  );
}
