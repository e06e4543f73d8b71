import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { CACHE } from "./cache";
import { call } from "./client";
import { OVERVIEW } from "./overview";

export const VIRTUAL_KEYS = "virtual-keys";
export const PAGE_SIZE = 50;

export type Budget = {
  id: string;
  max_limit: number;
  reset_duration: string;
  current_usage: number;
  calendar_aligned: boolean;
  unpriced: "allow" | "deny";
};

export type RateLimit = {
  id: string;
  request_max_limit?: number;
  request_reset_duration?: string;
  request_current_usage: number;
  token_max_limit?: number;
  token_reset_duration?: string;
  token_current_usage: number;
};

export type ProviderConfig = {
  id: number;
  provider: string;
  weight: number | null;
  allowed_models: string[];
  key_ids: string[];
  fallback_model: string | null;
  budgets: Budget[];
  rate_limit: RateLimit | null;
};

export type KeyCache =
  | boolean
  | { enabled: boolean; mode?: string; threshold?: number; ttl?: number; scope?: string };

export type VirtualKey = {
  id: string;
  name: string;
  description: string;
  /** Masked, except in the answer that creates or rotates the key. */
  value: string;
  secret_is_id: boolean;
  is_active: boolean;
  /** Null is every provider. */
  provider_configs: ProviderConfig[] | null;
  budgets: Budget[];
  rate_limit: RateLimit | null;
  /** Null is what holds for everybody; an object overrides some of the cache's settings. */
  semantic_cache: KeyCache | null;
  created_at: string | null;
  updated_at: string | null;
};

export type VirtualKeyPage = {
  virtual_keys: VirtualKey[];
  count: number;
  total_count: number;
  offset: number;
};

/** The answer to a write. */
export type Written = { message: string; virtual_key: VirtualKey; warnings?: string[] };

/** Limits to set. Budgets that are left out are taken away, and so is what an empty rate limit had. */
export type LimitsInput = {
  budgets: { id?: string; max_limit: number; reset_duration: string }[];
  rate_limit: {
    request_max_limit?: number | null;
    request_reset_duration?: string | null;
    token_max_limit?: number | null;
    token_reset_duration?: string | null;
  };
};

export type NewVirtualKey = Partial<LimitsInput> & {
  name: string;
  description?: string;
  semantic_cache?: boolean;
  provider_configs?: { provider: string; weight: number | null; allowed_models: string[] }[];
};

/** A key as the API shows it: `["*"]` is every provider. */
type Shown = Omit<VirtualKey, "provider_configs"> & { provider_configs: ProviderConfig[] | ["*"] };

function fromApi(key: Shown): VirtualKey {
  const isEverything = (configs: Shown["provider_configs"]): configs is ["*"] => configs[0] === "*";
  const configs = key.provider_configs;
  return { ...key, provider_configs: isEverything(configs) ? null : configs };
}

type ShownPage = Omit<VirtualKeyPage, "virtual_keys"> & { virtual_keys: Shown[] };

const PATH = "/api/governance/virtual-keys";
const pathOf = (id: string) => `${PATH}/${encodeURIComponent(id)}`;

export function useVirtualKeys(search: string, offset: number) {
  const query = new URLSearchParams({
    sort_by: "name",
    limit: String(PAGE_SIZE),
    offset: String(offset),
  });
  if (search) query.set("search", search);
  return useQuery({
    queryKey: [VIRTUAL_KEYS, search, offset],
    queryFn: async (): Promise<VirtualKeyPage> => {
      const page = await call<ShownPage>("GET", `${PATH}?${query}`);
      return { ...page, virtual_keys: page.virtual_keys.map(fromApi) };
    },
    placeholderData: keepPreviousData,
  });
}

/** One key, also when it is on another page of the list. */
export function useVirtualKey(id: string | undefined, enabled: boolean) {
  return useQuery({
    queryKey: [VIRTUAL_KEYS, "one", id],
    queryFn: () => call<{ virtual_key: Shown }>("GET", pathOf(id ?? "")),
    enabled: enabled && id !== undefined,
    select: (answer) => fromApi(answer.virtual_key),
  });
}

export function useCreateVirtualKey() {
  return useChange((key: NewVirtualKey) => call<Written>("POST", PATH, key));
}

export function useRotateVirtualKey() {
  return useChange((id: string) => call<Written>("POST", `${pathOf(id)}/rotate`));
}

export function useSetActive() {
  return useChange(({ id, active }: { id: string; active: boolean }) =>
    call<Written>("PUT", pathOf(id), { is_active: active }),
  );
}

export function useSetKeyCache() {
  return useChange(({ id, cache }: { id: string; cache: KeyCache | null }) =>
    call<Written>("PUT", pathOf(id), { semantic_cache: cache }),
  );
}

export function useSetLimits() {
  return useChange(({ id, limits }: { id: string; limits: LimitsInput }) =>
    call<Written>("PUT", pathOf(id), limits),
  );
}

export function useDeleteVirtualKey() {
  return useChange((id: string) => call<{ message: string }>("DELETE", pathOf(id)));
}

function useChange<Input, Output>(change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: [VIRTUAL_KEYS] });
      void client.invalidateQueries({ queryKey: [OVERVIEW] });
      void client.invalidateQueries({ queryKey: [CACHE] });
    },
  });
}
