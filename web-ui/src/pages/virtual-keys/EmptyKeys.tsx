import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { Snippet } from "../../ui/Snippet";

export function EmptyKeys({ onCreate }: { onCreate: () => void }) {
  const command = `curl ${window.location.origin}/api/governance/virtual-keys \\
  -H 'content-type: application/json' \\
  -d '{
    "name": "my-app",
    "budget": {"max_limit": 10, "reset_duration": "1M"}
  }'`;
  return (
    <section className="mx-auto mt-8 flex max-w-xl flex-col items-center gap-4 rounded-xl border border-line bg-surface p-6 text-center shadow-card">
      <Icon name="key" className="size-8 text-muted" />
      <h2 className="text-base font-semibold">There are no virtual keys yet</h2>
      <p className="text-muted">
        A virtual key gives a team or an app a secret of its own, with a budget, rate limits and a
        choice of providers.
      </p>
      <Button look="primary" onClick={onCreate}>
        <Icon name="plus" />
        Create the first key
      </Button>
      <div className="w-full text-left">
        <Snippet what="The same with curl" text={command} />
      </div>
    </section>
  );
}
