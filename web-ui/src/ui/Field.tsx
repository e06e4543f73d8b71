import { type ReactNode, useId } from "react";
import { Prose } from "./Prose";

export const INPUT =
  "h-9 w-full min-w-0 rounded-md border border-line-strong bg-surface px-2.5 aria-invalid:border-bad";

type Handed = { id: string; "aria-invalid"?: true; "aria-describedby"?: string };
type Props = {
  label: string;
  hint?: string;
  error?: string | undefined;
  /** For labels that a heading above says already. */
  labelHidden?: boolean;
  children: (field: Handed) => ReactNode;
};

/** A labelled input with what is wrong about it underneath. */
export function Field({ label, hint, error, labelHidden, children }: Props) {
  const id = useId();
  const handed: Handed = { id };
  if (error) handed["aria-invalid"] = true;
  if (error || hint) handed["aria-describedby"] = `${id}-note`;
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <label htmlFor={id} className={labelHidden ? "sr-only" : "font-medium"}>
        {label}
      </label>
      {children(handed)}
      {error ? (
        <p id={`${id}-note`} className="text-[13px] text-bad">
          <Prose text={error} />
        </p>
      ) : hint ? (
        <p id={`${id}-note`} className="text-[13px] text-muted">
          {hint}
        </p>
      ) : null}
    </div>
  );
}
