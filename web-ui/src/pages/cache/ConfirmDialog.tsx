import { Button } from "../../ui/Button";
import { Modal } from "../../ui/Modal";
import { Notice } from "../../ui/Notice";

type Props = {
  open: boolean;
  title: string;
  description: string;
  /** What the button says that does it. */
  action: string;
  busy: boolean;
  error: Error | null;
  onClose: () => void;
  onConfirm: () => void;
};

/** Asks before something goes for good. */
export function ConfirmDialog(props: Props) {
  const { open, title, description, action, busy, error, onClose, onConfirm } = props;
  return (
    <Modal open={open} onClose={onClose} title={title} description={description}>
      {error ? <Notice tone="bad">{error.message}</Notice> : null}
      <div className="mt-2 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="danger" disabled={busy} onClick={onConfirm}>
          {action}
        </Button>
      </div>
    </Modal>
  );
}
