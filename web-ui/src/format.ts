// How figures read on the page. Pure, so that they can be tried out one by one.

const locale = "en-US";
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumSignificantDigits: 3 });

/** `12,345`; from a hundred thousand on `124K`. */
export function formatCount(count: number): string {
  return Math.abs(count) < 100_000 ? whole.format(count) : compact.format(count);
}

/** Counts that stand together, all spelt out or all rounded: `135K`, `54.7K`. */
export function formatCounts(counts: number[]): string[] {
  const large = counts.some((count) => Math.abs(count) >= 100_000);
  return counts.map((count) => (large ? compact : whole).format(count));
}

/** `12,345,678`, for tables and tooltips. */
export function formatExactCount(count: number): string {
  return whole.format(count);
}

/**
 * Dollars with as many digits as the amount needs to say something: `$1,204.30`, `$0.4123`,
 * `$0.000412`. Amounts are whole nano-dollars, so nine decimals are exact.
 */
export function formatMoney(dollars: number): string {
  const size = Math.abs(dollars);
  let digits = 2;
  if (size > 0 && size < 1) {
    const leadingZeros = Math.max(0, -Math.floor(Math.log10(size)) - 1);
    digits = Math.min(9, leadingZeros + (size < 0.01 ? 3 : 4));
  }
  return money(dollars, digits);
}

/** Dollars down to the nano-dollar. */
export function formatExactMoney(dollars: number): string {
  return money(dollars, 9);
}

function money(dollars: number, digits: number): string {
  const text = new Intl.NumberFormat(locale, {
    minimumFractionDigits: 2,
    maximumFractionDigits: Math.max(2, digits),
  }).format(Math.abs(dollars));
  return `${dollars < 0 ? "−" : ""}$${text}`;
}

/** `0.9 ms`, `120 ms`, `1.24 s`, `2.5 min`. */
export function formatMilliseconds(milliseconds: number): string {
  if (milliseconds > 0 && milliseconds < 0.1) return "< 0.1 ms";
  if (milliseconds < 10) return `${trim(milliseconds, 1)} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${trim(milliseconds / 1000, 2)} s`;
  return `${trim(milliseconds / 60_000, 1)} min`;
}

/** A share of 0 to 1 as `97.4 %`. Only all is 100 %, and only nothing is 0 %. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent > 99.9 && percent < 100)
    return `${Math.min(99.99, Math.floor(percent * 100) / 100)} %`;
  if (percent > 0 && percent < 0.1) return "< 0.1 %";
  return `${trim(percent, 1)} %`;
}

/** `45 s`, `12 min`, `3 h 20 min`, `5 d 2 h`. */
export function formatDuration(seconds: number): string {
  const left = Math.max(0, Math.round(seconds));
  if (left < 60) return `${left} s`;
  const minutes = Math.floor(left / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** `14:05:09` in the reader's time zone. */
export function formatClock(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toLocaleTimeString("en-GB");
}

/** `24 Nov, 14:05` in the reader's time zone. */
export function formatMoment(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
}

const WINDOWS: Record<string, string> = {
  "1m": "minute",
  "1h": "hour",
  "1d": "day",
  "1w": "week",
  "1M": "month",
  "1Q": "quarter",
  "1Y": "year",
};
const UNITS: Record<string, string> = {
  s: "seconds",
  m: "minutes",
  h: "hours",
  d: "days",
  w: "weeks",
  M: "months",
  Q: "quarters",
  Y: "years",
};

/** A configured window such as `1M` or `12h` as `per month`, `per 12 hours`. */
export function formatWindow(window: string): string {
  const single = WINDOWS[window];
  if (single) return `per ${single}`;
  const unit = UNITS[window.slice(-1)];
  const count = Number(window.slice(0, -1));
  return unit && Number.isInteger(count) ? `per ${count} ${unit}` : `per ${window}`;
}

/** How `now` compares to `before`; null where a comparison says nothing. */
export function relativeChange(now: number | null, before: number | null): number | null {
  if (now === null || before === null || before === 0) return null;
  return (now - before) / before;
}

/** A relative change as `+12 %`, `−3.4 %`, `×8.2`. */
export function formatChange(change: number): string {
  if (change >= 9) return `×${trim(change + 1, 1)}`;
  const percent = Math.abs(change * 100);
  const text = trim(percent, percent < 10 ? 1 : 0);
  if (text === "0") return "±0 %";
  return `${change < 0 ? "−" : "+"}${text} %`;
}

export function plural(count: number, singular: string, several = `${singular}s`): string {
  return `${formatExactCount(count)} ${count === 1 ? singular : several}`;
}

function trim(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
