import type { Failover } from "../../api/generated/Failover";
import type { RecentRequest } from "../../api/generated/RecentRequest";
import { formatExactCount, formatShare } from "../../format";
import { Card } from "../../ui/Card";
import { Icon } from "../../ui/Icon";
import { reasonsInWords } from "./reasons";

type Props = { failovers: Failover[]; recent: RecentRequest[]; colours: Map<string, string> };

/** Which provider took over from which, how often and why. */
export function Failovers({ failovers, recent, colours }: Props) {
  const total = failovers.reduce((sum, one) => sum + one.count, 0);
  const most = Math.max(0, ...failovers.map((one) => one.count));
  return (
    <Card title="Failovers" testId="failovers" note="Which provider took over from which">
      {failovers.length === 0 ? (
        <p className="flex flex-1 items-center justify-center py-8 text-center text-muted">
          No failover in this range
        </p>
      ) : (
        <div className="overflow-x-auto">
          <table className="w-full text-left">
            <thead className="text-[13px] text-muted">
              <tr>
                <th scope="col" className="pb-1.5 font-medium">
                  From → to
                </th>
                <th scope="col" className="pb-1.5 text-right font-medium">
                  Times
                </th>
                <th scope="col" className="hidden pb-1.5 pl-4 font-medium sm:table-cell">
                  Share
                </th>
                <th scope="col" className="pb-1.5 pl-4 font-medium whitespace-nowrap">
                  Latest reasons
                </th>
              </tr>
            </thead>
            <tbody>
              {failovers.map((one) => (
                <tr
                  key={`${one.from_provider}→${one.to_provider}`}
                  className="border-t border-line"
                >
                  <th scope="row" className="py-2 font-medium">
                    <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
                      <Name name={one.from_provider} colours={colours} />
                      <Icon name="arrow" className="text-muted" />
                      <span className="sr-only">to</span>
                      <Name name={one.to_provider} colours={colours} />
                    </span>
                  </th>
                  <td className="py-2 text-right font-semibold">{formatExactCount(one.count)}</td>
                  <td className="hidden w-40 py-2 pl-4 sm:table-cell">
                    <div className="flex items-center gap-2">
                      <div className="h-2 flex-1 rounded-full bg-sunken">
                        <div
                          className="h-full rounded-full"
                          style={{
                            width: `${(one.count / most) * 100}%`,
                            background: `var(${colours.get(one.from_provider) ?? "--series-none"})`,
                          }}
                        />
                      </div>
                      <span className="w-14 text-right text-[13px] text-muted">
                        {formatShare(one.count / total)}
                      </span>
                    </div>
                  </td>
                  <td className="py-2 pl-4 text-[13px] text-muted">
                    {reasonsInWords(recent, one.from_provider, one.to_provider)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function Name({ name, colours }: { name: string; colours: Map<string, string> }) {
  return (
    <span className="inline-flex items-center gap-1.5">
      <span
        aria-hidden="true"
        className="size-2.5 rounded-sm"
        style={{ background: `var(${colours.get(name) ?? "--series-none"})` }}
      />
      {name}
    </span>
  );
}
