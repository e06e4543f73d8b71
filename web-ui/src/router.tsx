import { createRootRoute, createRoute, createRouter, Link } from "@tanstack/react-router";
import { CachePage } from "./pages/cache/CachePage";
import { OverviewPage } from "./pages/overview/OverviewPage";
import { VirtualKeysPage } from "./pages/virtual-keys/VirtualKeysPage";
import { isRange, type RangeName } from "./ranges";
import { Shell } from "./shell/Shell";
import { buttonClass } from "./ui/Button";

/** The range holds for every page, so that going back and forth keeps it. */
type RootSearch = { range?: RangeName | undefined };

const rootRoute = createRootRoute({
  // What is left out would stay in the search as it came, so a bad value is overwritten.
  validateSearch: (search: Record<string, unknown>): RootSearch => ({
    range: isRange(search.range) ? search.range : undefined,
  }),
  component: Shell,
  notFoundComponent: NotFound,
});

const overviewRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/",
  component: OverviewPage,
});

export type VirtualKeysSearch = {
  /** The id of the key whose details are open. */
  key?: string | undefined;
  create?: true | undefined;
  search?: string | undefined;
  offset?: number | undefined;
};

const virtualKeysRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/virtual-keys",
  validateSearch: (search: Record<string, unknown>): VirtualKeysSearch => {
    const offset = Number(search.offset);
    return {
      key: textOf(search.key),
      create: search.create === true ? true : undefined,
      search: textOf(search.search),
      offset: Number.isInteger(offset) && offset > 0 ? offset : undefined,
    };
  },
  component: VirtualKeysPage,
});

export type CacheSearch = {
  /** The id of the entry that is looked at. */
  entry?: string | undefined;
};

const cacheRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/cache",
  validateSearch: (search: Record<string, unknown>): CacheSearch => ({
    entry: textOf(search.entry),
  }),
  component: CachePage,
});

/** An id or a name may look like a number, which the router reads as one. */
function textOf(value: unknown): string | undefined {
  return value === undefined || value === "" ? undefined : String(value);
}

export const router = createRouter({
  routeTree: rootRoute.addChildren([overviewRoute, virtualKeysRoute, cacheRoute]),
  defaultPreload: false,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  return (
    <div className="mt-16 flex flex-col items-center gap-3 text-center">
      <h1 className="text-xl font-semibold">There is no such page</h1>
      <Link to="/" className={buttonClass("primary")}>
        Go to the overview
      </Link>
    </div>
  );
}
