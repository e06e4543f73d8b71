import { type FormEvent, useState } from "react";
import { useCreateVirtualKey, type Written } from "../../api/virtualKeys";
import { Button } from "../../ui/Button";
import { Field, INPUT } from "../../ui/Field";
import { Modal } from "../../ui/Modal";
import { Notice } from "../../ui/Notice";
import { Prose } from "../../ui/Prose";
import { bodyOf, type Complaints, complaintsOf, type Draft, EMPTY } from "./form";
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
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const [complaints, setComplaints] = useState<Complaints>({});
  const create = useCreateVirtualKey();
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const complain = (found: Complaints) => {
      setComplaints(found);
      // Once the messages stand there, the first wrong field is where to go on.
      requestAnimationFrame(() => form.querySelector<HTMLElement>("[aria-invalid]")?.focus());
    };
    const read = bodyOf(draft);
    if ("complaints" in read) {
      complain(read.complaints);
      return;
    }
    setComplaints({});
    create.mutate(read.body, {
      onSuccess: onCreated,
      onError: (error) => complain(complaintsOf(error, (path) => FIELDS.test(path))),
    });
  };

  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-5">
      {complaints[""] ? (
        <div role="alert">
          <Notice tone="bad">
            <Prose text={complaints[""]} />
          </Notice>
        </div>
      ) : null}
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
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" disabled={create.isPending}>
          Create key
        </Button>
      </div>
    </form>
  );
}
