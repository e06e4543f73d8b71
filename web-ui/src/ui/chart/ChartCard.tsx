import { type ReactNode, useMemo, useState } from "react";
import { Button } from "../Button";
import { Card } from "../Card";
import { classes } from "../classes";
import { Icon } from "../Icon";
import { DataTable } from "./DataTable";
import type { ChartKind, ChartShape } from "./options";
import { Plot } from "./Plot";
import { type ChartSeries, isEmpty } from "./series";

type Props = {
  title: string;
  testId: string;
  kind: ChartKind;
  timestamps: number[];
  end: number;
  series: ChartSeries[];
  format: (value: number) => string;
  formatAxis?: (value: number) => string;
  /** One sentence that says what the chart shows. */
  sentence: (series: ChartSeries[]) => string;
  /** Stands over the axes when there is nothing to draw. */
  whenEmpty: ReactNode;
  actions?: ReactNode;
  note?: string;
};

/** A chart with its legend, which switches series off, and its data as a table. */
export function ChartCard(props: Props) {
  const { title, kind, timestamps, end, series, format, formatAxis = format } = props;
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [asTable, setAsTable] = useState(false);
  const shape: ChartShape = useMemo(() => {
    const visible = series.filter((one) => !hidden.has(one.name));
    return { kind, timestamps, end, series: visible, formatAxis };
  }, [kind, timestamps, end, series, hidden, formatAxis]);
  const empty = isEmpty(series);

  const toggle = (name: string) =>
    setHidden((before) => {
      const after = new Set(before);
      if (!after.delete(name)) after.add(name);
      return after;
    });

  return (
    <Card
      title={title}
      testId={props.testId}
      note={props.note}
      actions={
        <div className="flex items-center gap-2">
          {props.actions}
          <Button
            small
            look="quiet"
            aria-pressed={asTable}
            aria-label={`${title} as a table`}
            title={asTable ? "Show the chart" : "Show as a table"}
            onClick={() => setAsTable(!asTable)}
          >
            <Icon name={asTable ? "chart" : "table"} />
          </Button>
        </div>
      }
    >
      {asTable ? (
        <DataTable shape={shape} caption={`${title}, by time`} format={format} />
      ) : (
        <div className="relative">
          <Plot
            shape={shape}
            label={empty ? `${title}: no requests in this range.` : props.sentence(shape.series)}
            format={format}
          />
          {empty ? (
            <div className="absolute top-[38%] left-1/2 flex w-max max-w-full -translate-1/2 flex-col items-center gap-2 rounded-md bg-surface px-4 py-3">
              {props.whenEmpty}
            </div>
          ) : null}
        </div>
      )}
      {empty ? null : (
        <ul aria-label={`Series of ${title}`} className="mt-2 flex flex-wrap gap-x-1 gap-y-0.5">
          {series.map((one) => {
            const shown = !hidden.has(one.name);
            return (
              <li key={one.name}>
                <button
                  type="button"
                  aria-pressed={shown}
                  onClick={() => toggle(one.name)}
                  className="flex min-h-6 items-center gap-1.5 rounded px-1.5 text-[13px] hover:bg-sunken"
                >
                  <span
                    className={classes("size-2.5 rounded-sm border-2", !shown && "!bg-transparent")}
                    style={{ background: `var(${one.colour})`, borderColor: `var(${one.colour})` }}
                  />
                  <span className={classes(shown ? "" : "text-muted line-through")}>
                    {one.name}
                  </span>
                </button>
              </li>
            );
          })}
        </ul>
      )}
    </Card>
  );
}
