import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { isSignedOut, useSession } from "../api/session";
import { SignIn } from "./SignIn";

/** Shows the dashboard, or the way into it when the gateway asks for a password. */
export function Gate({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const { data, error } = useSession();
  if (data && isSignedOut(data)) {
    const onSignedIn = () =>
      client.setQueryData(["session"], { is_auth_enabled: true, has_valid_token: true });
    return <SignIn onSignedIn={onSignedIn} />;
  }
  // Without an answer the pages say best what is wrong.
  return data || error ? children : null;
}
