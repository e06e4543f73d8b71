import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { CACHE } from "./cache";
import type { LiveTick } from "./generated/LiveTick";
import { OVERVIEW } from "./overview";
import { getSession, isSignedOut } from "./session";
import { VIRTUAL_KEYS } from "./virtualKeys";

export type LiveStatus = "connecting" | "live" | "reconnecting" | "signed_out";
export type Live = { status: LiveStatus; tick: LiveTick | null };

const LiveContext = createContext<Live>({ status: "connecting", tick: null });

/** The shortest time between two looks at the overview. */
const PACE_MS = 1000;
/** How soon to look again whether a fetch that is under way has ended. */
const UNDER_WAY_MS = 100;
/** The browser does not try again by itself after an answer that is no event stream. */
const RETRY_MS = 3000;

/** Listens to the gateway's events and has the page's data fetched anew when something changed. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [live, setLive] = useState<Live>({ status: "connecting", tick: null });

  useEffect(() => {
    let source: EventSource | null = null;
    let retry: number | undefined;
    let pending: number | undefined;
    let pendingKeys: number | undefined;
    let lastRefresh = 0;
    let configVersion: number | null = null;
    let stopped = false;

    const refresh = () => {
      // An answer under way may be from before this event.
      if (client.isFetching({ queryKey: [OVERVIEW] }) > 0) {
        pending = window.setTimeout(refresh, UNDER_WAY_MS);
        return;
      }
      pending = undefined;
      lastRefresh = Date.now();
      void client.invalidateQueries({ queryKey: [OVERVIEW] }, { cancelRefetch: false });
      void client.invalidateQueries({ queryKey: [CACHE] }, { cancelRefetch: false });
    };
    const refreshSoon = () => {
      if (pending !== undefined || document.hidden) return;
      pending = window.setTimeout(refresh, Math.max(0, lastRefresh + PACE_MS - Date.now()));
    };
    const refreshKeys = () => {
      // A first answer under way cannot be cancelled, and may be from before this event.
      if (client.isFetching({ queryKey: [VIRTUAL_KEYS] }) > 0) {
        pendingKeys = window.setTimeout(refreshKeys, UNDER_WAY_MS);
        return;
      }
      pendingKeys = undefined;
      void client.invalidateQueries({ queryKey: [VIRTUAL_KEYS] });
    };
    const connect = () => {
      // What changed before the first event, or while nobody listened, is unknown.
      configVersion = null;
      source = new EventSource("/api/live");
      source.addEventListener("tick", (event: MessageEvent<string>) => {
        const tick = JSON.parse(event.data) as LiveTick;
        setLive({ status: "live", tick });
        if (tick.config_version !== configVersion && pendingKeys === undefined) refreshKeys();
        configVersion = tick.config_version;
        refreshSoon();
      });
      source.onerror = () => {
        setLive((before) => ({ ...before, status: "reconnecting" }));
        configVersion = null;
        // The page's own look at the gateway says what is wrong with it.
        refreshSoon();
        if (source?.readyState === EventSource.CLOSED)
          retry = window.setTimeout(reconnect, RETRY_MS);
      };
    };
    // Another try without the password would only bring up the browser's prompt again.
    const reconnect = async () => {
      const refused = await signedOut();
      if (stopped) return;
      if (refused) setLive((before) => ({ ...before, status: "signed_out" }));
      else connect();
    };
    const onVisible = () => {
      if (!document.hidden) refreshSoon();
    };

    connect();
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      stopped = true;
      source?.close();
      window.clearTimeout(retry);
      window.clearTimeout(pending);
      window.clearTimeout(pendingKeys);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [client]);

  return <LiveContext value={live}>{children}</LiveContext>;
}

async function signedOut(): Promise<boolean> {
  try {
    return isSignedOut(await getSession());
  } catch {
    return false;
  }
}

export function useLive(): Live {
  return useContext(LiveContext);
}
