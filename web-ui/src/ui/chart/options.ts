import uPlot from "uplot";
import { resolveColour } from "../palette";
import { type ChartSeries, stacked } from "./series";

export type ChartKind = "bars" | "lines";
export type ChartShape = {
  kind: ChartKind;
  timestamps: number[];
  series: ChartSeries[];
  /** Where the last bucket ends, Unix seconds. */
  end: number;
  formatAxis: (value: number) => string;
};

/** Cursors of all charts of a page move together. */
const SYNC = "overview";
/** Lines differ in their dashes too, for those who cannot tell the colours apart. */
const DASHES: number[][] = [
  [],
  [6, 3],
  [2, 3],
  [10, 3, 2, 3],
  [4, 2],
  [1, 2],
  [12, 4],
  [8, 2, 2, 2],
];
const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
/** Room for the lines of the y axis to have round numbers between nothing and something. */
const LEAST_Y = 1e-9;

export function chartData(shape: ChartShape): uPlot.AlignedData {
  const values =
    shape.kind === "bars" ? stacked(shape.series) : shape.series.map((one) => one.values);
  return [shape.timestamps, ...values];
}

export function chartOptions(
  shape: ChartShape,
  size: { width: number; height: number },
  onCursor: (index: number | null, left: number) => void,
): uPlot.Options {
  const start = shape.timestamps[0] ?? shape.end - 1;
  const muted = resolveColour("--muted");
  const grid = { stroke: resolveColour("--line"), width: 1 };
  return {
    ...size,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: SYNC, setSeries: false },
      drag: { setScale: false, x: false, y: false },
      points: { show: shape.kind === "lines" },
      y: false,
    },
    scales: {
      x: { time: true, range: [start, shape.end] },
      y: { range: (_plot, _least, most) => [0, roundUp(most)] },
    },
    axes: [
      {
        stroke: muted,
        font: FONT,
        grid: { show: false },
        ticks: { ...grid, size: 4 },
        size: 30,
        space: 64,
        values: timeLabels,
      },
      {
        stroke: muted,
        font: FONT,
        grid,
        ticks: { show: false },
        size: (_plot, labels) =>
          Math.max(36, ...(labels ?? []).map((label) => label.length * 7 + 12)),
        space: 34,
        values: (_plot, splits) => splits.map((split) => shape.formatAxis(split)),
      },
    ],
    series: [{}, ...seriesOptions(shape)],
    hooks: {
      // The other charts follow with their lines only; figures in all of them would hide too much.
      setCursor: [
        (plot) =>
          onCursor(
            plot.root.matches(":hover") ? (plot.cursor.idx ?? null) : null,
            plot.cursor.left ?? 0,
          ),
      ],
    },
  };
}

function seriesOptions(shape: ChartShape): uPlot.Series[] {
  if (shape.kind === "bars") {
    const bars = uPlot.paths.bars?.({ align: 1, size: [0.86, 72] });
    // See `stacked`: the tallest is painted first.
    return [...shape.series].reverse().map((one) => {
      const colour = resolveColour(one.colour);
      return {
        label: one.name,
        fill: colour,
        stroke: colour,
        width: 0,
        paths: bars,
        points: { show: false },
      };
    });
  }
  return shape.series.map((one) => {
    const stroke = resolveColour(one.colour);
    const step = Number(one.colour.slice(-1)) || DASHES.length;
    const dash = DASHES[step - 1] ?? [];
    return {
      label: one.name,
      stroke,
      width: 1.75,
      dash,
      spanGaps: false,
      points: { size: 5, fill: stroke, stroke, filter: lonePoints },
    };
  });
}

/** A value without neighbours makes no line, so it is always marked with a point. */
function lonePoints(plot: uPlot, series: number, shown: boolean): number[] | null {
  if (shown) return null;
  const values = plot.data[series] ?? [];
  const lone: number[] = [];
  values.forEach((value, at) => {
    if (value != null && values[at - 1] == null && values[at + 1] == null) lone.push(at);
  });
  return lone;
}

function roundUp(most: number | null): number {
  if (most === null || !Number.isFinite(most) || most < LEAST_Y) return 1;
  return most * 1.08;
}

const DAY = 24 * 3600;

function timeLabels(
  _plot: uPlot,
  splits: number[],
  _axis: number,
  _space: number,
  step: number,
): string[] {
  return splits.map((split) => {
    const date = new Date(split * 1000);
    if (step >= DAY) return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    const midnight = date.getHours() === 0 && date.getMinutes() === 0;
    return midnight
      ? date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })
      : date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  });
}
