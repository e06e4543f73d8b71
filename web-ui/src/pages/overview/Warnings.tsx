import type { Warning } from "../../api/generated/Warning";
import { plural } from "../../format";
import { Notice } from "../../ui/Notice";
import { Prose } from "../../ui/Prose";

/** More than this many are folded, so that figures stay in sight. */
const OPEN_AT_MOST = 2;

export function Warnings({ warnings }: { warnings: Warning[] }) {
  if (warnings.length === 0) return null;
  const shown = warnings.slice(0, OPEN_AT_MOST);
  const folded = warnings.slice(OPEN_AT_MOST);
  return (
    <section aria-label="Warnings" data-testid="warnings" className="mb-4 flex flex-col gap-2">
      <List warnings={shown} />
      {folded.length > 0 ? (
        <details>
          <summary className="w-fit cursor-pointer rounded py-0.5 text-[13px] font-medium text-muted hover:text-ink">
            {plural(folded.length, "more warning")}
          </summary>
          <div className="mt-2 flex flex-col gap-2">
            <List warnings={folded} />
          </div>
        </details>
      ) : null}
    </section>
  );
}

function List({ warnings }: { warnings: Warning[] }) {
  return warnings.map((warning) => (
    <Notice key={`${warning.code} ${warning.message}`} tone="warn">
      <Prose text={warning.message.charAt(0).toUpperCase() + warning.message.slice(1)} />
    </Notice>
  ));
}
