import { useCreateVirtualKey, type Written } from "../../api/virtualKeys";
import { Button } from "../../ui/Button";
import { Field, INPUT } from "../../ui/Field";
import { Modal } from "../../ui/Modal";
import { FormComplaint, useForm } from "../../ui/useForm";
import { CACHE_CHOICES, CacheSwitch } from "./CacheSwitch";
import { bodyOf, EMPTY } from "./form";
import { LimitFields } from "./LimitFields";
import { ProviderRows } from "./ProviderRows";

type Props = {
  open: boolean;
  /** Names of the configured providers. */
  providers: string[];
  onClose: () => void;
  onCreated: (written: Written) => void;
};

const FIELDS =
  /^(name|description|budgets\[\d+\]\.\w+|rate_limit\.\w+|provider_configs\[\d+\]\.(provider|weight|allowed_models))$/;

export function CreateDialog(props: Props) {
  return (
    <Modal
      open={props.open}
      onClose={props.onClose}
      title="Create a virtual key"
      description="Only the name is needed; everything else can stay empty."
    >
      <Form {...props} />
    </Modal>
  );
}

function Form({ providers, onClose, onCreated }: Props) {
  const form = useForm(
    () => EMPTY,
    bodyOf,
    (path) => FIELDS.test(path),
  );
  const { draft, set, complaints } = form;
  const create = useCreateVirtualKey();
  const submit = form.submit((body, { onError }) =>
    create.mutate(body, { onSuccess: onCreated, onError }),
  );

  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-5">
      <FormComplaint complaints={complaints} />
      <Field label="Name" error={complaints.name}>
        {(field) => (
          <input
            {...field}
            className={INPUT}
            autoComplete="off"
            placeholder="my-app"
            required
            value={draft.name}
            onChange={(event) => set({ name: event.target.value })}
          />
        )}
      </Field>
      <Field label="Description" error={complaints.description}>
        {(field) => (
          <input
            {...field}
            className={INPUT}
            autoComplete="off"
            placeholder="What it is for"
            value={draft.description}
            onChange={(event) => set({ description: event.target.value })}
          />
        )}
      </Field>
      <ProviderRows
        rows={draft.providers}
        providers={providers}
        complaints={complaints}
        onChange={(rows) => set({ providers: rows })}
      />
      <fieldset className="flex flex-col gap-3">
        <legend className="mb-2 font-semibold">Limits</legend>
        <LimitFields draft={draft} complaints={complaints} onChange={set} />
      </fieldset>
      <div className="flex flex-col items-start gap-2">
        <p className="font-semibold">Semantic cache</p>
        <CacheSwitch value={draft.cache} onChange={(cache) => set({ cache })} />
        <p className="text-[13px] text-muted">{CACHE_CHOICES[draft.cache]}</p>
      </div>
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" disabled={create.isPending}>
          Create key
        </Button>
      </div>
    </form>
  );
}
