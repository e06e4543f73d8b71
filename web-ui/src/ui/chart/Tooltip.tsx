import { formatMoment } from "../../format";
import type { ChartShape } from "./options";

type Props = {
  shape: ChartShape;
  index: number;
  left: number;
  width: number;
  format: (value: number) => string;
};

/** The figures under the cursor. The data table has the same for those without a mouse. */
export function Tooltip({ shape, index, left, width, format }: Props) {
  const time = shape.timestamps[index];
  const rows = shape.series.filter((one) => one.values[index]);
  if (time === undefined || rows.length === 0) return null;
  const side = left > width / 2 ? { right: width - left + 10 } : { left: left + 10 };
  return (
    <div
      aria-hidden="true"
      style={side}
      className="pointer-events-none absolute top-2 z-10 rounded-md border border-line bg-surface px-2.5 py-1.5 text-[13px] whitespace-nowrap shadow-raised"
    >
      <p className="mb-0.5 text-muted">{formatMoment(time)}</p>
      {rows.map((one) => (
        <p key={one.name} className="flex items-center gap-2">
          <span className="size-2.5 rounded-sm" style={{ background: `var(${one.colour})` }} />
          <span className="flex-1">{one.name}</span>
          <span className="pl-3 font-medium">{format(one.values[index] ?? 0)}</span>
        </p>
      ))}
    </div>
  );
}
