import type { ReactNode } from "react";
import { useId } from "react";
import { classes } from "./classes";

type Props = {
  title: string;
  /** Stands right of the title. */
  actions?: ReactNode;
  note?: ReactNode;
  className?: string;
  testId?: string;
  children: ReactNode;
};

/** A titled section of a page. */
export function Card({ title, actions, note, className, testId, children }: Props) {
  const id = useId();
  return (
    <section
      aria-labelledby={id}
      data-testid={testId}
      className={classes(
        "flex min-w-0 flex-col rounded-lg border border-line bg-surface p-4 shadow-card",
        className,
      )}
    >
      <header className="mb-3 flex min-h-7 flex-wrap items-center justify-between gap-x-3 gap-y-1">
        <div className="min-w-0">
          <h2 id={id} className="font-semibold">
            {title}
          </h2>
          {note ? <p className="text-[13px] text-muted">{note}</p> : null}
        </div>
        {actions}
      </header>
      {children}
    </section>
  );
}
