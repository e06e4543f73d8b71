import { useQuery } from "@tanstack/react-query";
import { ApiError, call } from "./client";

export type Session = { is_auth_enabled: boolean; has_valid_token: boolean };

const PATH = "/api/session/is-auth-enabled";

/** Whether a password is asked for; this call alone needs none. */
export function getSession(): Promise<Session> {
  return call<Session>("GET", PATH);
}

export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: getSession,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function isSignedOut(session: Session): boolean {
  return session.is_auth_enabled && !session.has_valid_token;
}

/**
 * Hands the password to the browser, which sends it along from then on, with the event stream too.
 * An old kind of request, because `fetch` takes no password and would bring up the browser's own
 * prompt.
 */
export function signIn(username: string, password: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", "/api/version", true, username, password);
    request.onload = () => {
      if (request.status < 400) resolve();
      else if (request.status === 401)
        reject(new ApiError(401, "The name or the password is wrong."));
      else
        reject(new ApiError(request.status, `The gateway answered with status ${request.status}.`));
    };
    request.onerror = () => reject(new ApiError(0, "The gateway does not answer. Is it running?"));
    request.send();
  });
}
