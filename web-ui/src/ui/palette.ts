const STEPS = 8;
/** The series of requests that reached no provider; see the gateway's answer. */
export const NO_PROVIDER = "none";

/**
 * A colour for each name, as the name of a CSS variable. The same names always give the same
 * colours, so that a provider looks alike in every chart.
 */
export function coloursOf(names: Iterable<string>): Map<string, string> {
  const sorted = [...new Set(names)].filter((name) => name !== NO_PROVIDER).sort();
  const colours = new Map(sorted.map((name, at) => [name, `--series-${(at % STEPS) + 1}`]));
  colours.set(NO_PROVIDER, "--series-none");
  return colours;
}

/** What a canvas, which knows no CSS variables, paints with. */
export function resolveColour(variable: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}
