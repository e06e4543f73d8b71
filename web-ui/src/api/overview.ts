import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { RangeName } from "../ranges";
import { call, isUnauthorized } from "./client";
import type { Overview } from "./generated/Overview";

export const OVERVIEW = "overview";
/** Windows move and keys wake up without a request, so look again now and then. */
const REFRESH_MS = 15_000;

export function useOverview(range: RangeName) {
  return useQuery({
    queryKey: [OVERVIEW, range],
    queryFn: () => call<Overview>("GET", `/api/overview?range=${range}`),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => (isUnauthorized(query.state.error) ? false : REFRESH_MS),
  });
}

export function useVersion() {
  return useQuery({
    queryKey: ["version"],
    queryFn: () => call<string>("GET", "/api/version"),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
