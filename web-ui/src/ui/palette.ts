const STEPS = 8;
/** Providers that most gateways have keep their colour whoever else comes and goes. */
const OWN_STEP: Record<string, number> = { gemini: 1, anthropic: 2, openai: 3 };
/** The series of requests that reached no provider; see the gateway's answer. */
export const NO_PROVIDER = "none";

/**
 * A colour for each name, as the name of a CSS variable. The same names always give the same
 * colours, so that a provider looks alike in every chart.
 */
export function coloursOf(names: Iterable<string>): Map<string, string> {
  const sorted = [...new Set(names)].filter((name) => name !== NO_PROVIDER).sort();
  const colours = new Map([[NO_PROVIDER, "--series-none"]]);
  const steps = Array.from({ length: STEPS }, (_, at) => at + 1);
  const free = steps.filter((step) => !sorted.some((name) => OWN_STEP[name] === step));
  let next = 0;
  for (const name of sorted) {
    // Beyond eight the colours come round again; names and dashes still tell the series apart.
    const step = OWN_STEP[name] ?? free[next++ % free.length];
    colours.set(name, `--series-${step}`);
  }
  return colours;
}

/** What a canvas, which knows no CSS variables, paints with. */
export function resolveColour(variable: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}
