import { useState } from "react";
import { ApiError } from "../../api/client";
import type { VirtualKeyUsage } from "../../api/generated/VirtualKeyUsage";
import {
  useDeleteVirtualKey,
  useRotateVirtualKey,
  useSetActive,
  useVirtualKey,
  type VirtualKey,
  type Written,
} from "../../api/virtualKeys";
import { formatMoment } from "../../format";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { Modal } from "../../ui/Modal";
import { Notice } from "../../ui/Notice";
import { ActiveMark } from "./ActiveMark";
import { CacheOfKey } from "./CacheSwitch";
import { DeleteDialog, RotateDialog } from "./ConfirmDialogs";
import { LimitBar } from "./LimitBar";
import { LimitsDialog } from "./LimitsDialog";
import { ProviderConfigs } from "./ProviderConfigs";
import { moneyFirst, shortMask } from "./shown";

type Props = {
  id: string | undefined;
  usage: VirtualKeyUsage | undefined;
  colours: Map<string, string>;
  onClose: () => void;
  onRotated: (written: Written) => void;
};

/** Everything about one key, and what can be done with it. */
export function DetailSheet({ id, usage, colours, onClose, onRotated }: Props) {
  const remove = useDeleteVirtualKey();
  // From the moment on that it is deleted, asking for it again would only fail.
  const query = useVirtualKey(id, remove.isIdle || remove.isError);
  if (id === undefined) return null;
  const key = query.data;
  return (
    <Modal open form="sheet" onClose={onClose} title={key?.name ?? id}>
      {query.error ? <Notice tone="bad">{query.error.message}</Notice> : null}
      {key ? (
        <div className="flex flex-1 flex-col gap-6">
          <Facts virtualKey={key} />
          <Limits virtualKey={key} usage={usage} />
          <CacheOfKey virtualKey={key} />
          <ProviderConfigs virtualKey={key} usage={usage} colours={colours} />
          <Actions
            key={key.id}
            virtualKey={key}
            remove={remove}
            onRotated={onRotated}
            onDeleted={onClose}
          />
        </div>
      ) : null}
    </Modal>
  );
}

function Facts({ virtualKey }: { virtualKey: VirtualKey }) {
  const created = virtualKey.created_at ? Date.parse(virtualKey.created_at) / 1000 : null;
  return (
    <div className="flex flex-col gap-3">
      {virtualKey.description ? <p className="break-words">{virtualKey.description}</p> : null}
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] items-center gap-x-4 gap-y-1.5">
        <dt className="text-muted">State</dt>
        <dd>
          <ActiveMark active={virtualKey.is_active} />
        </dd>
        <dt className="text-muted">Key</dt>
        <dd className="font-mono text-[12.5px] break-all">{shortMask(virtualKey.value)}</dd>
        <dt className="text-muted">Id</dt>
        <dd className="font-mono text-[12.5px] break-all">{virtualKey.id}</dd>
        {created === null ? null : (
          <>
            <dt className="text-muted">Created</dt>
            <dd>{formatMoment(created)}</dd>
          </>
        )}
      </dl>
      {virtualKey.secret_is_id ? (
        <Notice tone="warn">
          The id of this key is also its secret, which is easy to guess. Rotate it and give clients
          the new secret.
        </Notice>
      ) : null}
    </div>
  );
}

function Limits({
  virtualKey,
  usage,
}: {
  virtualKey: VirtualKey;
  usage: VirtualKeyUsage | undefined;
}) {
  const [changing, setChanging] = useState(false);
  const limits = moneyFirst(usage?.limits.filter(({ scope }) => scope === "virtual_key") ?? []);
  return (
    <section aria-labelledby="limits-title">
      <div className="mb-2 flex items-center justify-between gap-2">
        <h3 id="limits-title" className="font-semibold">
          Limits of the key
        </h3>
        <Button small onClick={() => setChanging(true)}>
          Change limits
        </Button>
      </div>
      {limits.length === 0 ? <p className="text-muted">No budget and no rate limit.</p> : null}
      <div className="flex flex-col gap-3">
        {limits.map((limit) => (
          <LimitBar
            key={`${limit.unit} ${limit.window}`}
            limit={limit}
            of={virtualKey.name}
            detailed
          />
        ))}
      </div>
      <LimitsDialog open={changing} virtualKey={virtualKey} onClose={() => setChanging(false)} />
    </section>
  );
}

type ActionsProps = {
  virtualKey: VirtualKey;
  remove: ReturnType<typeof useDeleteVirtualKey>;
  onRotated: (written: Written) => void;
  onDeleted: () => void;
};

function Actions({ virtualKey, remove, onRotated, onDeleted }: ActionsProps) {
  const [asked, setAsked] = useState<"rotate" | "delete" | null>(null);
  const setActive = useSetActive();
  const rotate = useRotateVirtualKey();
  const active = virtualKey.is_active;
  const close = () => {
    rotate.reset();
    remove.reset();
    setAsked(null);
  };
  return (
    <footer className="mt-auto flex flex-col gap-3 border-t border-line pt-4">
      {setActive.error instanceof ApiError ? (
        <Notice tone="bad">{setActive.error.message}</Notice>
      ) : null}
      <div className="flex flex-wrap gap-2">
        <Button onClick={() => setAsked("rotate")}>
          <Icon name="rotate" />
          Rotate
        </Button>
        <Button
          disabled={setActive.isPending}
          onClick={() => setActive.mutate({ id: virtualKey.id, active: !active })}
        >
          {active ? "Disable" : "Enable"}
        </Button>
        <Button look="danger" className="ml-auto" onClick={() => setAsked("delete")}>
          <Icon name="trash" />
          Delete
        </Button>
      </div>
      <RotateDialog
        open={asked === "rotate"}
        name={virtualKey.name}
        busy={rotate.isPending}
        error={rotate.error}
        onClose={close}
        onConfirm={() =>
          rotate.mutate(virtualKey.id, {
            onSuccess: (written) => {
              close();
              onRotated(written);
            },
          })
        }
      />
      <DeleteDialog
        open={asked === "delete"}
        name={virtualKey.name}
        busy={remove.isPending}
        error={remove.error}
        onClose={close}
        onConfirm={() => remove.mutate(virtualKey.id, { onSuccess: onDeleted })}
      />
    </footer>
  );
}
