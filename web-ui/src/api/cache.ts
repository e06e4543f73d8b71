import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call, isUnauthorized } from "./client";
import type { CacheEntry } from "./generated/CacheEntry";
import type { CacheReport } from "./generated/CacheReport";
import type { CacheStatus } from "./generated/CacheStatus";
import { OVERVIEW } from "./overview";

export const CACHE = "cache";
/** Entries expire and grades come without a request, so look again now and then. */
const REFRESH_MS = 15_000;

export type CacheMode = "semantic" | "exact" | "shadow";
export type CacheScope = "virtual_key" | "team" | "customer";

/** The settings that the dashboard changes; the others are sent back as they are. */
export type CacheSettings = {
  mode: CacheMode;
  threshold: number;
  /** Seconds. */
  ttl: number;
  scope: CacheScope;
  max_temperature: number;
  guard: boolean;
  judge_model: string;
  judge_threshold: number;
  provider: string;
  embedding_model: string;
};

export function settingsOf(status: CacheStatus): CacheSettings {
  return status.config as CacheSettings;
}

export function useCacheStatus() {
  return useQuery({
    queryKey: [CACHE, "status"],
    queryFn: () => call<CacheStatus>("GET", "/api/cache"),
    refetchInterval: (query) => (isUnauthorized(query.state.error) ? false : REFRESH_MS),
  });
}

export function useCacheReport() {
  return useQuery({
    queryKey: [CACHE, "report"],
    queryFn: () => call<CacheReport>("GET", "/api/cache/report"),
    refetchInterval: (query) => (isUnauthorized(query.state.error) ? false : REFRESH_MS),
  });
}

export function useCacheEntry(id: string | undefined) {
  return useQuery({
    queryKey: [CACHE, "entry", id],
    queryFn: () => call<CacheEntry>("GET", `/api/cache/entries/${encodeURIComponent(id ?? "")}`),
    enabled: id !== undefined,
  });
}

export type ToClear = { what: "everything" } | { what: "entry" | "key" | "scope"; name: string };

export function useClearCache() {
  return useChange((clear: ToClear) =>
    call<{ message: string; removed: number }>("DELETE", pathToClear(clear)),
  );
}

function pathToClear(clear: ToClear): string {
  if (clear.what === "everything") return "/api/cache/clear";
  const name = encodeURIComponent(clear.name);
  if (clear.what === "entry") return `/api/cache/clear/${name}`;
  return `/api/cache/clear-by-${clear.what}/${name}`;
}

export function useClearReport() {
  return useChange((_: undefined) => call<{ message: string }>("DELETE", "/api/cache/report"));
}

export type CacheChange = { enabled?: boolean; settings?: Record<string, unknown> };

/** Changes the plugin. Settings replace all that is there, so what is not changed is read and sent too. */
export function useSetCache() {
  return useChange(async ({ enabled, settings }: CacheChange) => {
    const body: Record<string, unknown> = enabled === undefined ? {} : { enabled };
    if (settings) {
      const status = await call<CacheStatus>("GET", "/api/cache");
      body.config = { ...status.config, ...settings };
    }
    return call<{ message: string }>("PUT", "/api/plugins/semantic_cache", body);
  });
}

function useChange<Input, Output>(change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: [CACHE] });
      void client.invalidateQueries({ queryKey: [OVERVIEW] });
    },
  });
}
