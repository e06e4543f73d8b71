import type { Written } from "../../api/virtualKeys";
import { Button } from "../../ui/Button";
import { Modal } from "../../ui/Modal";
import { Notice } from "../../ui/Notice";
import { Snippet } from "../../ui/Snippet";

/** Shows a new secret. The gateway keeps no copy, so this is the only time. */
export function SecretDialog({
  written,
  onClose,
}: {
  written: Written | null;
  onClose: () => void;
}) {
  if (!written) return null;
  const { name, value } = written.virtual_key;
  const environment = `export OPENAI_BASE_URL=${window.location.origin}/v1
export OPENAI_API_KEY=${value}`;
  return (
    <Modal
      open
      onClose={onClose}
      closesEasily={false}
      title={`The key of ${name}`}
      description="Copy it now: it is shown only this once."
    >
      <div className="flex flex-col gap-4">
        <Snippet what="Virtual key" text={value} />
        <Snippet what="Environment variables for OpenAI clients" text={environment} />
        {written.warnings?.map((warning) => (
          <Notice key={warning} tone="warn">
            {warning}
          </Notice>
        ))}
        <Button look="primary" className="self-end" onClick={onClose}>
          I have stored it
        </Button>
      </div>
    </Modal>
  );
}
