import { Field, INPUT } from "../../ui/Field";
import { PERIODS } from "./form";

type Props = {
  label: string;
  amount: string;
  period: string;
  error: string | undefined;
  onChange: (amount: string, period: string) => void;
};

/** An amount and the window that it holds for. */
export function LimitField({ label, amount, period, error, onChange }: Props) {
  return (
    <Field label={label} error={error}>
      {(field) => (
        <div className="grid grid-cols-[minmax(0,1fr)_9rem] gap-2">
          <input
            {...field}
            className={INPUT}
            inputMode="decimal"
            autoComplete="off"
            placeholder="no limit"
            value={amount}
            onChange={(event) => onChange(event.target.value, period)}
          />
          <select
            aria-label={`${label}: period`}
            className={INPUT}
            value={period}
            onChange={(event) => onChange(amount, event.target.value)}
          >
            {PERIODS.map((choice) => (
              <option key={choice.value} value={choice.value}>
                {choice.label}
              </option>
            ))}
          </select>
        </div>
      )}
    </Field>
  );
}
