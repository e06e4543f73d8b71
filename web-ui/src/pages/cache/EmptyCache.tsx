import { Link } from "@tanstack/react-router";
import type { CacheStatus } from "../../api/generated/CacheStatus";
import { buttonClass } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { Snippet } from "../../ui/Snippet";

/** What to do so that requests use the cache. */
export function EmptyCache({ status }: { status: CacheStatus }) {
  const command = `curl -X PUT ${window.location.origin}/api/governance/virtual-keys/<id> \\
  -H 'content-type: application/json' \\
  -d '{"semantic_cache": true}'`;
  return (
    <section
      data-testid="empty-cache"
      className="mx-auto my-2 flex w-full max-w-xl flex-col items-center gap-4 rounded-xl border border-line bg-surface p-6 text-center shadow-card"
    >
      <Icon name="cache" className="size-8 text-muted" />
      <h2 className="text-base font-semibold">
        {status.enabled ? "No virtual key uses the cache yet" : "The cache is switched off"}
      </h2>
      <p className="text-muted">
        {status.enabled
          ? "One field of a virtual key switches it on; its clients change nothing. The same question, or one that means the same, is then answered at once and for free."
          : "Switch it on below. Then one field of a virtual key decides whose requests use it."}
      </p>
      {status.enabled ? (
        <>
          <Link to="/virtual-keys" className={buttonClass("primary")}>
            Choose a virtual key
          </Link>
          <div className="w-full text-left">
            <Snippet what="The same with curl" text={command} />
          </div>
        </>
      ) : null}
    </section>
  );
}
