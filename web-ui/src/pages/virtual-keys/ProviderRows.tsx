import { formatShare } from "../../format";
import { Button } from "../../ui/Button";
import { Field, INPUT } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import type { Complaints } from "../../ui/useForm";
import type { ProviderRow } from "./form";

type Props = {
  rows: ProviderRow[];
  providers: string[];
  complaints: Complaints;
  onChange: (rows: ProviderRow[]) => void;
};

/** The providers that a key may use; none is all of them. */
export function ProviderRows({ rows, providers, complaints, onChange }: Props) {
  const total = rows.reduce((sum, row) => sum + (Number(row.weight) || 0), 0);
  const add = () => {
    const unused = providers.find((name) => rows.every((row) => row.provider !== name));
    const row = Math.max(-1, ...rows.map((one) => one.row)) + 1;
    const provider = unused ?? providers[0] ?? "openai";
    onChange([...rows, { row, provider, weight: "1", models: "" }]);
  };
  const change = (row: number, to: Partial<ProviderRow>) =>
    onChange(rows.map((one) => (one.row === row ? { ...one, ...to } : one)));

  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-2 font-semibold">Providers</legend>
      {rows.length === 0 ? (
        <p className="text-muted">
          Every provider and every model. Add rows to choose and weigh them.
        </p>
      ) : null}
      {rows.map((row, at) => (
        <div
          key={row.row}
          className="grid grid-cols-[minmax(0,1fr)_5rem_2.25rem] items-start gap-2 rounded-md border border-line p-2.5"
        >
          <Field label="Provider" error={complaints[`provider_configs[${at}].provider`]}>
            {(field) => (
              <select
                {...field}
                className={INPUT}
                value={row.provider}
                onChange={(event) => change(row.row, { provider: event.target.value })}
              >
                {(providers.length > 0 ? providers : [row.provider]).map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            )}
          </Field>
          <Field
            label="Weight"
            error={complaints[`provider_configs[${at}].weight`]}
            hint={share(row.weight, total)}
          >
            {(field) => (
              <input
                {...field}
                className={INPUT}
                inputMode="decimal"
                autoComplete="off"
                value={row.weight}
                onChange={(event) => change(row.row, { weight: event.target.value })}
              />
            )}
          </Field>
          <Button
            look="quiet"
            className="mt-[1.55rem] !px-0"
            aria-label={`Remove ${row.provider}`}
            onClick={() => onChange(rows.filter((one) => one.row !== row.row))}
          >
            <Icon name="close" />
          </Button>
          <div className="col-span-3">
            <Field
              label="Allowed models"
              error={complaints[`provider_configs[${at}].allowed_models`]}
              hint="Separated by commas. Empty is every model."
            >
              {(field) => (
                <input
                  {...field}
                  className={INPUT}
                  autoComplete="off"
                  spellCheck={false}
                  value={row.models}
                  onChange={(event) => change(row.row, { models: event.target.value })}
                />
              )}
            </Field>
          </div>
        </div>
      ))}
      <Button small className="self-start" onClick={add}>
        <Icon name="plus" />
        Add provider
      </Button>
    </fieldset>
  );
}

/** A key of several providers without a weight is legal: such a provider answers when named. */
function share(weight: string, total: number): string {
  if (weight.trim() === "") return "when named";
  const value = Number(weight);
  return total > 0 && Number.isFinite(value) ? formatShare(value / total) : " ";
}
