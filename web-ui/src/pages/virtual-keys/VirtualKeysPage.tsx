import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useOverview } from "../../api/overview";
import { PAGE_SIZE, useVirtualKeys, type Written } from "../../api/virtualKeys";
import { plural } from "../../format";
import { USUAL_RANGE } from "../../ranges";
import { PageHeader } from "../../shell/PageHeader";
import { Trouble } from "../../shell/Trouble";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { coloursOf } from "../../ui/palette";
import { CreateDialog } from "./CreateDialog";
import { DetailSheet } from "./DetailSheet";
import { EmptyKeys } from "./EmptyKeys";
import { KeyList } from "./KeyList";
import { SearchField } from "./SearchField";
import { SecretDialog } from "./SecretDialog";

export function VirtualKeysPage() {
  const search = useSearch({ from: "/virtual-keys" });
  const navigate = useNavigate({ from: "/virtual-keys" });
  const offset = search.offset ?? 0;
  const list = useVirtualKeys(search.search ?? "", offset);
  // Limits with what is held and when they reset come with the overview.
  const overview = useOverview(search.range ?? USUAL_RANGE).data;
  const [secret, setSecret] = useState<Written | null>(null);

  const usages = useMemo(
    () => new Map(overview?.virtual_keys.map((usage) => [usage.id, usage])),
    [overview],
  );
  const providers = useMemo(
    () => overview?.providers.map((provider) => provider.name) ?? [],
    [overview],
  );
  const used = list.data?.virtual_keys.flatMap((key) => key.provider_configs ?? []);
  const colours = coloursOf([...providers, ...(used ?? []).map((config) => config.provider)]);

  const open = (key: string | undefined) =>
    navigate({ search: (before) => ({ ...before, key, create: undefined }) });
  const setCreating = (create: true | undefined) =>
    navigate({ search: (before) => ({ ...before, create, key: undefined }) });
  const find = (text: string) =>
    navigate({
      search: (before) => ({ ...before, search: text || undefined, offset: undefined }),
      replace: true,
    });
  const turn = (to: number) =>
    navigate({ search: (before) => ({ ...before, offset: to > 0 ? to : undefined }) });

  const page = list.data;
  const none = page?.total_count === 0 && !search.search;
  return (
    <>
      <PageHeader title="Virtual keys">
        {none || !page ? null : (
          <>
            <SearchField value={search.search ?? ""} onChange={find} />
            <Button look="primary" onClick={() => setCreating(true)}>
              <Icon name="plus" />
              Create key
            </Button>
          </>
        )}
      </PageHeader>
      {list.error ? (
        <Trouble error={list.error} onRetry={list.refetch} hasData={page !== undefined} />
      ) : null}
      {none ? <EmptyKeys onCreate={() => setCreating(true)} /> : null}
      {page && !none ? (
        <>
          <KeyList keys={page.virtual_keys} usages={usages} colours={colours} onOpen={open} />
          {page.virtual_keys.length === 0 ? (
            <p className="py-10 text-center text-muted">No key matches “{search.search}”.</p>
          ) : null}
          <footer className="mt-3 flex items-center justify-between gap-2 text-[13px] text-muted">
            <p role="status">{plural(page.total_count, "virtual key")}</p>
            {page.total_count > PAGE_SIZE ? (
              <div className="flex gap-2">
                <Button small disabled={offset === 0} onClick={() => turn(offset - PAGE_SIZE)}>
                  Previous
                </Button>
                <Button
                  small
                  disabled={offset + PAGE_SIZE >= page.total_count}
                  onClick={() => turn(offset + PAGE_SIZE)}
                >
                  Next
                </Button>
              </div>
            ) : null}
          </footer>
        </>
      ) : null}
      <CreateDialog
        open={search.create === true}
        providers={providers}
        onClose={() => setCreating(undefined)}
        onCreated={(written) => {
          setCreating(undefined);
          setSecret(written);
        }}
      />
      <DetailSheet
        key={search.key}
        id={search.key}
        usage={search.key === undefined ? undefined : usages.get(search.key)}
        colours={colours}
        onClose={() => open(undefined)}
        onRotated={setSecret}
      />
      <SecretDialog written={secret} onClose={() => setSecret(null)} />
    </>
  );
}
