import { formatWindow } from "../../format";
import { Field, INPUT } from "../../ui/Field";
import type { Complaints } from "../../ui/useForm";
import { type LimitDraft, type LimitsDraft, PERIODS } from "./form";

type FieldsProps = {
  draft: LimitsDraft;
  complaints: Complaints;
  onChange: (change: Partial<LimitsDraft>) => void;
};

/** What a key may spend, ask and use; an empty field is no limit. */
export function LimitFields({ draft, complaints, onChange }: FieldsProps) {
  const { budgets, requests, tokens } = draft;
  return (
    <>
      {budgets.map((budget, at) => (
        <LimitField
          key={budget.id ?? at}
          label={at === 0 ? "Budget in dollars" : `Budget ${at + 1} in dollars`}
          value={budget}
          error={
            complaints[`budgets[${at}].max_limit`] ?? complaints[`budgets[${at}].reset_duration`]
          }
          onChange={(changed) => onChange({ budgets: budgets.with(at, changed) })}
        />
      ))}
      <LimitField
        label="Requests"
        value={requests}
        error={
          complaints["rate_limit.request_max_limit"] ??
          complaints["rate_limit.request_reset_duration"]
        }
        onChange={(changed) => onChange({ requests: changed })}
      />
      <LimitField
        label="Tokens"
        value={tokens}
        error={
          complaints["rate_limit.token_max_limit"] ?? complaints["rate_limit.token_reset_duration"]
        }
        onChange={(changed) => onChange({ tokens: changed })}
      />
    </>
  );
}

type FieldProps = {
  label: string;
  value: LimitDraft;
  error: string | undefined;
  onChange: (value: LimitDraft) => void;
};

/** An amount and the window that it holds for. */
function LimitField({ label, value, error, onChange }: FieldProps) {
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
            value={value.amount}
            onChange={(event) => onChange({ ...value, amount: event.target.value })}
          />
          <select
            aria-label={`${label}: period`}
            className={INPUT}
            value={value.period}
            onChange={(event) => onChange({ ...value, period: event.target.value })}
          >
            {periodsWith(value.period).map((period) => (
              <option key={period} value={period}>
                {formatWindow(period)}
              </option>
            ))}
          </select>
        </div>
      )}
    </Field>
  );
}

/** The API allows windows such as 12h, which must not change by being looked at. */
function periodsWith(period: string): string[] {
  return PERIODS.includes(period) ? PERIODS : [period, ...PERIODS];
}
