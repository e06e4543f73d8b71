import type { VirtualKey } from "../../api/virtualKeys";
import { formatShare } from "../../format";
import { weighted } from "./shown";

type Props = { configs: VirtualKey["provider_configs"]; colours: Map<string, string> };

/** The providers of a key, each as wide as its weight. */
export function WeightBar({ configs, colours }: Props) {
  if (configs === null) return <span className="text-muted">every provider</span>;
  if (configs.length === 0) return <span className="text-bad">none: every request is refused</span>;
  const shares = weighted(configs);
  const colour = (provider: string) => `var(${colours.get(provider) ?? "--series-none"})`;
  return (
    <div className="min-w-0">
      <div aria-hidden="true" className="flex h-2 gap-px overflow-hidden rounded-full bg-sunken">
        {shares.map(({ provider, share }, at) => (
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: a provider may stand in the list twice
            key={at}
            style={{ width: `${share * 100}%`, background: colour(provider) }}
          />
        ))}
      </div>
      <ul className="mt-1 flex flex-wrap gap-x-2.5 text-[13px]">
        {shares.map(({ provider, share, weight }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a provider may stand in the list twice
          <li key={at} className="flex max-w-full items-center gap-1">
            <span
              aria-hidden="true"
              className="size-2 shrink-0 rounded-sm"
              style={{ background: colour(provider) }}
            />
            <span className="min-w-0 truncate">{provider}</span>
            <span className="whitespace-nowrap text-muted">
              {weight === null ? "only when named" : formatShare(share)}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
