import type { VirtualKeyUsage } from "../../api/generated/VirtualKeyUsage";
import type { ProviderConfig, VirtualKey } from "../../api/virtualKeys";
import { formatShare } from "../../format";
import { LimitBar } from "./LimitBar";
import { moneyFirst, weighted } from "./shown";

type Props = {
  virtualKey: VirtualKey;
  usage: VirtualKeyUsage | undefined;
  colours: Map<string, string>;
};

/** What a key may ask of each provider, and how much of it. */
export function ProviderConfigs({ virtualKey, usage, colours }: Props) {
  const configs = virtualKey.provider_configs;
  return (
    <section aria-labelledby="providers-title">
      <h3 id="providers-title" className="mb-2 font-semibold">
        Providers
      </h3>
      {configs === null ? (
        <p className="text-muted">This key may use every provider and every model.</p>
      ) : (
        <ul className="flex flex-col gap-2">
          {weighted(configs).map(({ share }, at) => {
            const config = configs[at];
            return config ? (
              <One key={config.id} config={config} share={share} usage={usage} colours={colours} />
            ) : null;
          })}
        </ul>
      )}
      {configs?.length === 0 ? (
        <p className="text-bad">No provider is allowed, so every request is refused.</p>
      ) : null}
    </section>
  );
}

type OneProps = {
  config: ProviderConfig;
  share: number;
  usage: VirtualKeyUsage | undefined;
  colours: Map<string, string>;
};

function One({ config, share, usage, colours }: OneProps) {
  const limits = moneyFirst(usage?.limits.filter(({ scope }) => scope === config.provider) ?? []);
  return (
    <li className="rounded-md border border-line p-3">
      <div className="flex items-center justify-between gap-2">
        <span className="flex items-center gap-2 font-medium">
          <span
            aria-hidden="true"
            className="size-2.5 rounded-sm"
            style={{ background: `var(${colours.get(config.provider) ?? "--series-none"})` }}
          />
          {config.provider}
        </span>
        <span className="text-[13px] text-muted">
          {config.weight === null
            ? "no weight: only when named or as a fallback"
            : `weight ${config.weight} · ${formatShare(share)}`}
        </span>
      </div>
      <dl className="mt-2 grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1 text-[13px]">
        <dt className="text-muted">Models</dt>
        <dd className="break-words">{listed(config.allowed_models, "every model", "no model")}</dd>
        <dt className="text-muted">Keys</dt>
        <dd className="break-words">{listed(config.key_ids, "every key", "no key")}</dd>
        {config.fallback_model ? (
          <>
            <dt className="text-muted">Fallback</dt>
            <dd className="break-words">{config.fallback_model}</dd>
          </>
        ) : null}
      </dl>
      {limits.length > 0 ? (
        <div className="mt-3 flex flex-col gap-3">
          {limits.map((limit) => (
            <LimitBar
              key={`${limit.unit} ${limit.window}`}
              limit={limit}
              of={config.provider}
              detailed
            />
          ))}
        </div>
      ) : null}
    </li>
  );
}

/** `["*"]` is everything, and an empty list nothing. */
function listed(entries: string[], everything: string, nothing: string): string {
  if (entries.length === 0) return nothing;
  return entries[0] === "*" ? everything : entries.join(", ");
}
