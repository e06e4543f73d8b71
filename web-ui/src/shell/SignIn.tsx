import { type FormEvent, useEffect, useState } from "react";
import { signIn } from "../api/session";
import { Button } from "../ui/Button";
import { Field, INPUT } from "../ui/Field";
import { Notice } from "../ui/Notice";

export function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    document.title = "Sign in · Tollbridge";
  }, []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signIn(username, password);
      onSignedIn();
    } catch (cause) {
      setError(cause instanceof Error ? cause.message : "Signing in failed.");
      setBusy(false);
    }
  };

  return (
    <main className="flex min-h-dvh items-center justify-center p-4">
      <form
        onSubmit={submit}
        className="flex w-full max-w-sm flex-col gap-4 rounded-xl border border-line bg-surface p-6 shadow-card"
      >
        <img src="/icon.svg" alt="" width="36" height="36" />
        <div>
          <h1 className="text-lg font-semibold">Sign in to Tollbridge</h1>
          <p className="mt-1 text-muted">
            This gateway asks for the admin user name and password of its configuration.
          </p>
        </div>
        {error ? (
          <div role="alert">
            <Notice tone="bad">{error}</Notice>
          </div>
        ) : null}
        <Field label="User name">
          {(field) => (
            <input
              {...field}
              className={INPUT}
              autoComplete="username"
              required
              value={username}
              onChange={(event) => setUsername(event.target.value)}
            />
          )}
        </Field>
        <Field label="Password">
          {(field) => (
            <input
              {...field}
              type="password"
              className={INPUT}
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" look="primary" disabled={busy}>
          Sign in
        </Button>
      </form>
    </main>
  );
}
