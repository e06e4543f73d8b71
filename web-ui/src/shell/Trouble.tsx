import { isUnauthorized } from "../api/client";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";

type Props = { error: Error; onRetry: () => void; hasData: boolean };

/** Says why the page has no data, or why what it shows is no longer fresh. */
export function Trouble({ error, onRetry, hasData }: Props) {
  if (isUnauthorized(error)) return <SignedOut />;
  return (
    <div role="alert" className="mb-4">
      <Notice tone="bad">
        <div className="flex flex-wrap items-center justify-between gap-2">
          <span>
            {error.message}
            {hasData ? " What you see is from before." : ""}
          </span>
          <Button small onClick={onRetry}>
            Try again
          </Button>
        </div>
      </Notice>
    </div>
  );
}

function SignedOut() {
  return (
    <div
      role="alert"
      className="mx-auto mt-16 flex max-w-md flex-col items-center gap-3 rounded-lg border border-line bg-surface p-8 text-center"
    >
      <Icon name="key" className="size-8 text-muted" />
      <h2 className="text-base font-semibold">This gateway asks for a password</h2>
      <p className="text-muted">
        Sign in with the admin user name and password from <code>governance.auth_config</code>.
      </p>
      <Button look="primary" onClick={() => window.location.reload()}>
        Sign in
      </Button>
    </div>
  );
}
