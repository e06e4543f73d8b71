const WIDTH = 96;
const HEIGHT = 28;
const INSET = 2;
/** Fewer points are specks and no course. */
const LEAST_POINTS = 3;

/** The course of a figure, without scales. Beside the figure it is decoration, so it has no name. */
export function Sparkline({ values }: { values: (number | null)[] }) {
  const known = values.filter((value) => value !== null);
  const most = Math.max(...known);
  const least = Math.min(0, ...known);
  if (known.length < LEAST_POINTS || most <= least) return <div style={{ height: HEIGHT }} />;
  const x = (at: number) => INSET + (at / (values.length - 1)) * (WIDTH - 2 * INSET);
  const y = (value: number) =>
    HEIGHT - INSET - ((value - least) / (most - least)) * (HEIGHT - 2 * INSET);
  let path = "";
  let drawing = false;
  values.forEach((value, at) => {
    if (value !== null) path += `${drawing ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    drawing = value !== null;
  });
  return (
    <svg
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      className="h-7 w-full text-accent"
    >
      <path
        d={path}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinejoin="round"
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  );
}
