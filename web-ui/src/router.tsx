import { createRootRoute, createRoute, createRouter, Link } from "@tanstack/react-router";
import { OverviewPage } from "./pages/overview/OverviewPage";
import { VirtualKeysPage } from "./pages/virtual-keys/VirtualKeysPage";
import { isRange, type RangeName } from "./ranges";
import { Shell } from "./shell/Shell";
import { buttonClass } from "./ui/Button";

/** The range holds for every page, so that going back and forth keeps it. */
type RootSearch = { range?: RangeName };

const rootRoute = createRootRoute({
  validateSearch: (search: Record<string, unknown>): RootSearch =>
    isRange(search.range) ? { range: search.range } : {},
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
  key?: string;
  create?: true;
  search?: string;
  offset?: number;
};

const virtualKeysRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/virtual-keys",
  validateSearch: (search: Record<string, unknown>): VirtualKeysSearch => {
    const valid: VirtualKeysSearch = {};
    // An id may look like a number, which the router reads as one.
    if (search.key !== undefined && search.key !== "") valid.key = String(search.key);
    if (search.create === true) valid.create = true;
    if (search.search !== undefined && search.search !== "") valid.search = String(search.search);
    const offset = Number(search.offset);
    if (Number.isInteger(offset) && offset > 0) valid.offset = offset;
    return valid;
  },
  component: VirtualKeysPage,
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([overviewRoute, virtualKeysRoute]),
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
