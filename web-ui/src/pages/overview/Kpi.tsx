import { formatChange, relativeChange } from "../../format";
import { classes } from "../../ui/classes";
import { Sparkline } from "../../ui/Sparkline";

export type KpiProps = {
  name: string;
  testId: string;
  /** Null where there is nothing to measure. */
  value: number | null;
  previous: number | null;
  format: (value: number) => string;
  /** Whether more is good news, bad news or just news. */
  more?: "good" | "bad";
  detail?: string | undefined;
  course?: (number | null)[];
  /** Changes of a share are told in points, not in percent of percent. */
  change?: (now: number, before: number) => string;
};

export function Kpi(props: KpiProps) {
  const { name, testId, value, format, detail, course } = props;
  return (
    <li
      data-testid={testId}
      className="flex min-w-0 flex-col rounded-lg border border-line bg-surface px-4 pt-3 pb-2.5 shadow-card"
    >
      <div className="flex items-baseline justify-between gap-2">
        <h3 className="text-[13px] font-medium text-muted">{name}</h3>
        <Change {...props} />
      </div>
      <p className="mt-1 text-2xl leading-tight font-semibold tracking-tight">
        {value === null ? <span className="text-muted">–</span> : format(value)}
      </p>
      <div className="mt-auto flex items-end justify-between gap-3 pt-1">
        <p className="min-h-5 min-w-0 text-[13px] text-muted">{detail}</p>
        {course ? (
          <div className="max-w-32 min-w-0 flex-1">
            <Sparkline values={course} />
          </div>
        ) : null}
      </div>
    </li>
  );
}

const NEWS = { good: "text-good", bad: "text-bad", plain: "text-muted" };

function Change({ value, previous, more, change: describe }: KpiProps) {
  const change = relativeChange(value, previous);
  if (change === null || value === null || previous === null) return null;
  const isGood = more === undefined || change === 0 ? null : change > 0 === (more === "good");
  const news = isGood === null ? "plain" : isGood ? "good" : "bad";
  return (
    <p
      className={classes("text-[13px] font-medium whitespace-nowrap", NEWS[news])}
      title="Compared with the window of the same length before"
    >
      {describe ? describe(value, previous) : formatChange(change)}
      <span className="sr-only"> compared with the window before</span>
    </p>
  );
}
