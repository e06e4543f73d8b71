import { type FormEvent, useState } from "react";
import { useSetLimits, type VirtualKey } from "../../api/virtualKeys";
import { Button } from "../../ui/Button";
import { Modal } from "../../ui/Modal";
import { Notice } from "../../ui/Notice";
import { Prose } from "../../ui/Prose";
import { type Complaints, complaintsOf, limitsBodyOf, limitsOfKey } from "./form";
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
  const [draft, setDraft] = useState(() => limitsOfKey(virtualKey));
  const [complaints, setComplaints] = useState<Complaints>({});
  const save = useSetLimits();

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = limitsBodyOf(draft);
    setComplaints("complaints" in read ? read.complaints : {});
    if ("complaints" in read) return;
    save.mutate(
      { id: virtualKey.id, limits: read.body },
      {
        onSuccess: onClose,
        onError: (error) => setComplaints(complaintsOf(error, (path) => FIELDS.test(path))),
      },
    );
  };

  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-4">
      {complaints[""] ? (
        <div role="alert">
          <Notice tone="bad">
            <Prose text={complaints[""]} />
          </Notice>
        </div>
      ) : null}
      <LimitFields
        draft={draft}
        complaints={complaints}
        onChange={(change) => setDraft((before) => ({ ...before, ...change }))}
      />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" disabled={save.isPending}>
          Save limits
        </Button>
      </div>
    </form>
  );
}
