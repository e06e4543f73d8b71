import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { VirtualKeyUsage } from "../../api/generated/VirtualKeyUsage";
import type { Warning } from "../../api/generated/Warning";
import { plural } from "../../format";
import { Notice } from "../../ui/Notice";
import { Prose } from "../../ui/Prose";

/** More than this many are folded, so that figures stay in sight. */
const OPEN_AT_MOST = 2;
/** The code of the warning that the page words itself, for all keys in one. */
const SECRET_IS_ID = "secret_is_id";

type Props = { warnings: Warning[]; keys: VirtualKeyUsage[] };
type Shown = { id: string; content: ReactNode };

export function Warnings({ warnings, keys }: Props) {
  const guessable = keys.filter((key) => key.secret_is_id);
  const all: Shown[] = warnings
    .filter((warning) => warning.code !== SECRET_IS_ID)
    .map(({ code, message }) => ({ id: `${code} ${message}`, content: sentence(message) }));
  if (guessable.length > 0) {
    all.push({ id: SECRET_IS_ID, content: <Guessable keys={guessable} /> });
  }
  if (all.length === 0) return null;
  const folded = all.slice(OPEN_AT_MOST);
  return (
    <section aria-label="Warnings" data-testid="warnings" className="mb-4 flex flex-col gap-2">
      <List warnings={all.slice(0, OPEN_AT_MOST)} />
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

function List({ warnings }: { warnings: Shown[] }) {
  return warnings.map(({ id, content }) => (
    <Notice key={id} tone="warn">
      {content}
    </Notice>
  ));
}

function sentence(message: string): ReactNode {
  return <Prose text={message.charAt(0).toUpperCase() + message.slice(1)} />;
}

/** Names beyond these are counted only. */
const NAMED = 4;

/** The gateway tells of each such key by itself; one line with the ways to mend it says more. */
function Guessable({ keys }: { keys: VirtualKeyUsage[] }) {
  const one = keys.length === 1;
  const more = keys.length - NAMED;
  return (
    <>
      {one
        ? "A virtual key is used with its id as its secret"
        : `${keys.length} virtual keys are used with their ids as their secrets`}
      , which anybody can guess. Rotate {one ? "it" : "them"}:{" "}
      {keys.slice(0, NAMED).map((key, at) => (
        <span key={key.id}>
          {at > 0 ? ", " : ""}
          <Link
            to="/virtual-keys"
            search={(before) => ({ range: before.range, key: key.id })}
            className="font-medium underline wrap-anywhere"
          >
            {key.name}
          </Link>
        </span>
      ))}
      {more > 0 ? ` and ${more} more` : ""}
    </>
  );
}
