export type ChartSeries = {
  name: string;
  /** The name of a CSS variable. */
  colour: string;
  values: (number | null)[];
};

/**
 * The running sums that stacked bars are drawn from, the tallest first: each bar starts at zero and
 * the next one is painted over it.
 */
export function stacked(series: ChartSeries[]): (number | null)[][] {
  let below: number[] = [];
  const sums = series.map((one) => {
    below = one.values.map((value, at) => (value ?? 0) + (below[at] ?? 0));
    return below;
  });
  return sums.reverse();
}

export function isEmpty(series: ChartSeries[]): boolean {
  return series.every((one) => one.values.every((value) => !value));
}

/** The largest value of a series and where it stands. */
export function peak(values: (number | null)[]): { value: number; index: number } | null {
  let best: { value: number; index: number } | null = null;
  values.forEach((value, index) => {
    if (value !== null && (best === null || value > best.value)) best = { value, index };
  });
  return best;
}

export function sum(values: (number | null)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}
