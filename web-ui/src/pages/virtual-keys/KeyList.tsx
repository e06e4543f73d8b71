import type { LimitUsage } from "../../api/generated/LimitUsage";
import type { VirtualKeyUsage } from "../../api/generated/VirtualKeyUsage";
import type { VirtualKey } from "../../api/virtualKeys";
import { tightest } from "../../limits";
import { ActiveMark } from "./ActiveMark";
import { LimitBar } from "./LimitBar";
import { limitsOf, shortMask } from "./shown";
import { WeightBar } from "./WeightBar";

type Props = {
  keys: VirtualKey[];
  usages: Map<string, VirtualKeyUsage>;
  colours: Map<string, string>;
  onOpen: (id: string) => void;
};

const GRID =
  "md:grid md:grid-cols-[minmax(9rem,1.2fr)_6rem_minmax(10rem,1.3fr)_minmax(10rem,1.2fr)_minmax(10rem,1.2fr)] md:gap-5";
const HEADINGS = ["Name and key", "State", "Providers", "Budget", "Rate limit"];

/**
 * The keys as a table. It is one of ARIA roles over a grid, so that the same rows are cards on a
 * narrow screen.
 */
export function KeyList({ keys, usages, colours, onOpen }: Props) {
  return (
    <div
      role="table"
      aria-label="Virtual keys"
      className="flex flex-col gap-3 md:gap-0 md:overflow-hidden md:rounded-lg md:border md:border-line md:bg-surface md:shadow-card"
    >
      <div role="rowgroup" className="max-md:sr-only">
        <div role="row" className={`${GRID} px-4 py-2 text-[13px] font-medium text-muted`}>
          {HEADINGS.map((heading) => (
            <span key={heading} role="columnheader">
              {heading}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" className="flex flex-col gap-3 md:gap-0">
        {keys.map((key) => (
          <Row
            key={key.id}
            virtualKey={key}
            usage={usages.get(key.id)}
            colours={colours}
            onOpen={onOpen}
          />
        ))}
      </div>
    </div>
  );
}

type RowProps = {
  virtualKey: VirtualKey;
  usage: VirtualKeyUsage | undefined;
  colours: Map<string, string>;
  onOpen: (id: string) => void;
};

function Row({ virtualKey, usage, colours, onOpen }: RowProps) {
  return (
    <div
      role="row"
      data-testid={`vk-row-${virtualKey.id}`}
      className={`relative flex flex-col gap-3 rounded-lg border border-line bg-surface p-4 hover:bg-sunken/60 md:items-start md:rounded-none md:border-0 md:border-t md:py-3 ${GRID}`}
    >
      <div role="cell" className="min-w-0">
        <button
          type="button"
          onClick={() => onOpen(virtualKey.id)}
          className="max-w-full min-h-6 truncate text-left font-semibold outline-none after:absolute after:inset-0 after:rounded-lg focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
        >
          {virtualKey.name}
        </button>
        <p className="truncate font-mono text-[12.5px] text-muted">{shortMask(virtualKey.value)}</p>
      </div>
      <div role="cell" className="max-md:absolute max-md:top-4 max-md:right-4">
        <ActiveMark active={virtualKey.is_active} />
      </div>
      <div role="cell" className="min-w-0">
        <WeightBar configs={virtualKey.provider_configs} colours={colours} />
      </div>
      <LimitCell of={virtualKey.name} limits={limitsOf(usage, "cost")} none="no budget" />
      <LimitCell of={virtualKey.name} limits={limitsOf(usage, "rate")} none="no rate limit" />
    </div>
  );
}

function LimitCell({ of, limits, none }: { of: string; limits: LimitUsage[]; none: string }) {
  const limit = tightest(limits);
  const more = limits.length - 1;
  return (
    <div role="cell" className="min-w-0">
      {limit ? <LimitBar limit={limit} of={of} /> : <span className="text-muted">{none}</span>}
      {more > 0 ? (
        <p className="text-[13px] text-muted">
          and {more} further {more === 1 ? "limit" : "limits"}
        </p>
      ) : null}
    </div>
  );
}
