import { useSetLimits, type VirtualKey } from "../../api/virtualKeys";
import { Button } from "../../ui/Button";
import { Modal } from "../../ui/Modal";
import { FormComplaint, useForm } from "../../ui/useForm";
import { limitsBodyOf, limitsOfKey } from "./form";
import { LimitFields } from "./LimitFields";

type Props = { open: boolean; virtualKey: VirtualKey; onClose: () => void };

const FIELDS = /^(budgets\[\d+\]|rate_limit)\.\w+$/;

/** Changes the budget and the rate limits of a key. */
export function LimitsDialog(props: Props) {
  return (
    <Modal
      open={props.open}
      onClose={props.onClose}
      title={`Limits of ${props.virtualKey.name}`}
      description="They hold from the next request on. What is used already stays counted; an empty field is no limit."
    >
      <Form {...props} />
    </Modal>
  );
}

function Form({ virtualKey, onClose }: Props) {
  const form = useForm(
    () => limitsOfKey(virtualKey),
    limitsBodyOf,
    (path) => FIELDS.test(path),
  );
  const save = useSetLimits();
  const submit = form.submit((limits, { onError }) =>
    save.mutate({ id: virtualKey.id, limits }, { onSuccess: onClose, onError }),
  );

  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-4">
      <FormComplaint complaints={form.complaints} />
      <LimitFields draft={form.draft} complaints={form.complaints} onChange={form.set} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" disabled={save.isPending}>
          Save limits
        </Button>
      </div>
    </form>
  );
}
