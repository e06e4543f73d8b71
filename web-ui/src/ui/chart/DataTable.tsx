import { formatMoment } from "../../format";
import type { ChartShape } from "./options";

type Props = { shape: ChartShape; caption: string; format: (value: number) => string };

/** The same figures as in the chart, newest first. */
export function DataTable({ shape, caption, format }: Props) {
  const rows = shape.timestamps.map((time, index) => ({ time, index })).reverse();
  return (
    // It scrolls, so the keyboard must reach it.
    <section
      tabIndex={0}
      aria-label={caption}
      className="h-52 overflow-auto rounded-md border border-line"
    >
      <table className="w-full text-right text-[13px]">
        <caption className="sr-only">{caption}</caption>
        <thead className="sticky top-0 bg-sunken">
          <tr>
            <th scope="col" className="px-3 py-1.5 text-left font-medium">
              Time
            </th>
            {shape.series.map((one) => (
              <th key={one.name} scope="col" className="px-3 py-1.5 font-medium">
                {one.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ time, index }) => (
            <tr key={time} className="border-t border-line">
              <th
                scope="row"
                className="px-3 py-1 text-left font-normal whitespace-nowrap text-muted"
              >
                {formatMoment(time)}
              </th>
              {shape.series.map((one) => {
                const value = one.values[index];
                return (
                  <td key={one.name} className="px-3 py-1 whitespace-nowrap">
                    {value === null || value === undefined ? "–" : format(value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
