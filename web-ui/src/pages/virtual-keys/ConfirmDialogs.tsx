import { type FormEvent, useState } from "react";
import { Button } from "../../ui/Button";
import { Field, INPUT } from "../../ui/Field";
import { Modal } from "../../ui/Modal";
import { Notice } from "../../ui/Notice";

type Props = {
  open: boolean;
  name: string;
  busy: boolean;
  error: Error | null;
  onClose: () => void;
  onConfirm: () => void;
};

export function RotateDialog({ open, name, busy, error, onClose, onConfirm }: Props) {
  return (
    <Modal
      open={open}
      onClose={onClose}
      title={`Rotate the key of ${name}?`}
      description="It gets a new secret. Clients that use the old one are refused from then on."
    >
      {error ? <Notice tone="bad">{error.message}</Notice> : null}
      <div className="mt-2 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="primary" disabled={busy} onClick={onConfirm}>
          Rotate now
        </Button>
      </div>
    </Modal>
  );
}

export function DeleteDialog({ open, name, busy, error, onClose, onConfirm }: Props) {
  const [typed, setTyped] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed === name) onConfirm();
  };
  const close = () => {
    setTyped("");
    onClose();
  };
  return (
    <Modal
      open={open}
      onClose={close}
      title={`Delete ${name}?`}
      description="Clients that use this key are refused from then on. This cannot be undone."
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label={`Type “${name}” to confirm`}>
          {(field) => (
            <input
              {...field}
              className={INPUT}
              autoComplete="off"
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
            />
          )}
        </Field>
        {error ? <Notice tone="bad">{error.message}</Notice> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" look="danger" disabled={busy || typed !== name}>
            Delete for good
          </Button>
        </div>
      </form>
    </Modal>
  );
}
