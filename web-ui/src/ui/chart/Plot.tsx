import { useEffect, useLayoutEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { useTheme } from "../theme";
import { type ChartShape, chartData, chartOptions } from "./options";
import { Tooltip } from "./Tooltip";

const HEIGHT = 208;

type Props = { shape: ChartShape; label: string; format: (value: number) => string };

/** The canvas. For those who cannot see it there is the sentence in `label`. */
export function Plot({ shape, label, format }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<{ index: number; left: number } | null>(null);
  const [width, setWidth] = useState(0);
  const { shown } = useTheme();
  const latest = useRef(shape);
  latest.current = shape;
  // A plot is built anew only when its lines change; figures alone are set, which costs little.
  const layout = JSON.stringify([
    shape.kind,
    shown,
    shape.timestamps[0],
    shape.timestamps.length,
    shape.end,
    shape.series.map((one) => [one.name, one.colour]),
  ]);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.floor(entry.contentRect.width));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `layout` stands for what matters of `shape`
  useLayoutEffect(() => {
    const element = host.current;
    if (!element || width === 0) return;
    const onCursor = (index: number | null, left: number) =>
      setCursor(index === null || left < 0 ? null : { index, left });
    const options = chartOptions(latest.current, { width, height: HEIGHT }, onCursor);
    const made = new uPlot(options, chartData(latest.current), element);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [layout, width]);

  useEffect(() => {
    plot.current?.setData(chartData(shape));
  }, [shape]);

  const offset = plot.current ? plot.current.over.offsetLeft : 0;
  return (
    <div className="relative min-w-0">
      <div
        ref={host}
        role="img"
        aria-label={label}
        style={{ height: HEIGHT }}
        className="overflow-hidden"
      />
      {cursor ? (
        <Tooltip
          shape={shape}
          index={cursor.index}
          left={cursor.left + offset}
          width={width}
          format={format}
        />
      ) : null}
    </div>
  );
}
