import {
  type CacheMode,
  type CacheScope,
  type CacheSettings,
  settingsOf,
  useSetCache,
} from "../../api/cache";
import type { CacheStatus } from "../../api/generated/CacheStatus";
import { Button } from "../../ui/Button";
import { Field, INPUT } from "../../ui/Field";
import { Modal } from "../../ui/Modal";
import { type Complaints, FormComplaint, type Read, useForm } from "../../ui/useForm";
import { MODES, SCOPES } from "./words";

type Props = { open: boolean; status: CacheStatus; onClose: () => void };

/** Everything as typed. */
type Draft = {
  mode: CacheMode;
  threshold: string;
  ttl: string;
  scope: CacheScope;
  max_temperature: string;
  judge_model: string;
  judge_threshold: string;
  provider: string;
  embedding_model: string;
};

const FIELDS =
  /^config\.(mode|threshold|ttl|scope|max_temperature|judge_model|judge_threshold|provider|embedding_model)$/;

/** Changes how the cache works, for every request that uses it. */
export function SettingsDialog(props: Props) {
  return (
    <Modal
      open={props.open}
      onClose={props.onClose}
      title="Settings of the cache"
      description="They hold from the next request on. A virtual key may have its own mode, threshold, lifetime and sharing."
    >
      <Form {...props} />
    </Modal>
  );
}

function Form({ status, onClose }: Props) {
  const form = useForm(
    () => draftOf(settingsOf(status)),
    bodyOf,
    (path) => FIELDS.test(path),
  );
  const { draft, set, complaints } = form;
  const save = useSetCache();
  const submit = form.submit((settings, { onError }) =>
    save.mutate({ settings }, { onSuccess: onClose, onError }),
  );
  /** A field of text. */
  const text = (
    name: Exclude<keyof Draft, "mode" | "scope">,
    label: string,
    hint: string,
    placeholder?: string,
  ) => (
    <Field label={label} hint={hint} error={complaints[`config.${name}`]}>
      {(field) => (
        <input
          {...field}
          className={INPUT}
          autoComplete="off"
          placeholder={placeholder}
          value={draft[name]}
          onChange={(event) => set({ [name]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-4">
      <FormComplaint complaints={complaints} />
      <Field label="Mode" hint={MODES[draft.mode].meaning} error={complaints["config.mode"]}>
        {(field) => (
          <select
            {...field}
            className={INPUT}
            value={draft.mode}
            onChange={(event) => set({ mode: event.target.value as CacheMode })}
          >
            {Object.entries(MODES).map(([mode, { name }]) => (
              <option key={mode} value={mode}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <div className="grid gap-4 sm:grid-cols-2">
        {text("threshold", "Threshold", "Similarity of 0 to 1 that counts as the same.")}
        {text("ttl", "Kept for", "Seconds, or a time such as 5m or 24h.")}
        <Field label="Shared by" error={complaints["config.scope"]}>
          {(field) => (
            <select
              {...field}
              className={INPUT}
              value={draft.scope}
              onChange={(event) => set({ scope: event.target.value as CacheScope })}
            >
              {Object.entries(SCOPES).map(([scope, name]) => (
                <option key={scope} value={scope}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        {text(
          "max_temperature",
          "Highest temperature",
          "Of 0 to 2; above it, answers should vary.",
        )}
        {text("judge_model", "Judge model", "Confirms what is less similar.", "none")}
        {text("judge_threshold", "Judged from", "Similarity from which it is asked.")}
        {text("provider", "Embeddings from", "A provider, or local for our own engine.", "local")}
        {text("embedding_model", "Embedding model", "For local, its folder.", "the usual folder")}
      </div>
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" disabled={save.isPending}>
          Save settings
        </Button>
      </div>
    </form>
  );
}

function draftOf(settings: CacheSettings): Draft {
  return {
    mode: settings.mode,
    threshold: String(settings.threshold),
    ttl: String(settings.ttl),
    scope: settings.scope,
    max_temperature: String(settings.max_temperature),
    judge_model: settings.judge_model,
    judge_threshold: String(settings.judge_threshold),
    provider: settings.provider,
    embedding_model: settings.embedding_model,
  };
}

function bodyOf(draft: Draft): Read<Record<string, unknown>> {
  const complaints: Complaints = {};
  const number = (name: "threshold" | "max_temperature" | "judge_threshold", most: number) => {
    const value = Number(draft[name]);
    if (draft[name].trim() !== "" && value >= 0 && value <= most) return value;
    complaints[`config.${name}`] = `Give a number from 0 to ${most}.`;
    return null;
  };
  const body = {
    mode: draft.mode,
    threshold: number("threshold", 1),
    // Seconds are a number; the gateway reads everything else.
    ttl: /^\d+$/.test(draft.ttl.trim()) ? Number(draft.ttl) : draft.ttl.trim(),
    scope: draft.scope,
    max_temperature: number("max_temperature", 2),
    judge_model: draft.judge_model.trim(),
    judge_threshold: number("judge_threshold", 1),
    provider: draft.provider.trim(),
    embedding_model: draft.embedding_model.trim(),
  };
  if (body.threshold === 0) complaints["config.threshold"] = "Give a number above 0, up to 1.";
  return Object.keys(complaints).length > 0 ? { complaints } : { body };
}
