import { Link, Outlet } from "@tanstack/react-router";
import { useVersion } from "../api/overview";
import { Icon, type IconName } from "../ui/Icon";
import { ThemeSwitch } from "../ui/theme";

const PAGES: { to: "/" | "/virtual-keys" | "/cache"; label: string; icon: IconName }[] = [
  { to: "/", label: "Overview", icon: "overview" },
  { to: "/virtual-keys", label: "Virtual keys", icon: "key" },
  { to: "/cache", label: "Cache", icon: "cache" },
];

/** What stands around every page: a sidebar, or bars above and below on a narrow screen. */
export function Shell() {
  return (
    <>
      <a
        href="#content"
        className="sr-only z-50 rounded-md bg-accent font-medium text-accent-ink focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:px-3 focus:py-2"
      >
        Skip to the content
      </a>
      <div className="md:grid md:min-h-dvh md:grid-cols-[13.5rem_minmax(0,1fr)]">
        <Sidebar />
        <TopBar />
        <main
          id="content"
          tabIndex={-1}
          className="min-w-0 px-4 pt-4 pb-24 outline-none md:px-6 md:pt-5 md:pb-10"
        >
          <div className="mx-auto max-w-[100rem]">
            <Outlet />
          </div>
        </main>
        <BottomBar />
      </div>
    </>
  );
}

function Name() {
  return (
    <span className="flex items-center gap-2 text-[15px] font-semibold">
      <img src="/icon.svg" alt="" width="24" height="24" />
      Tollbridge
    </span>
  );
}

function Sidebar() {
  const version = useVersion().data;
  return (
    <header className="sticky top-0 hidden h-dvh flex-col border-r border-line bg-surface px-3 py-4 md:flex">
      <div className="px-2">
        <Name />
      </div>
      <nav aria-label="Pages" className="mt-6 flex flex-col gap-0.5">
        {PAGES.map((page) => (
          <Link
            key={page.to}
            to={page.to}
            search={(before) => ({ range: before.range })}
            activeOptions={{ exact: true, includeSearch: false }}
            className="flex h-9 items-center gap-2.5 rounded-md px-2.5 font-medium text-muted hover:bg-sunken hover:text-ink"
            activeProps={{ className: "bg-accent-soft !text-accent" }}
          >
            <Icon name={page.icon} />
            {page.label}
          </Link>
        ))}
      </nav>
      <div className="mt-auto flex flex-col items-start gap-3 px-2">
        <ThemeSwitch />
        <p className="text-[13px] text-muted">
          {version ? `Version ${version.replace(/^v/, "")}` : " "}
        </p>
      </div>
    </header>
  );
}

function TopBar() {
  return (
    <header className="flex items-center justify-between border-b border-line bg-surface px-4 py-2 md:hidden">
      <Name />
      <ThemeSwitch />
    </header>
  );
}

function BottomBar() {
  return (
    <nav
      aria-label="Pages"
      className="fixed inset-x-0 bottom-0 z-30 flex border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      {PAGES.map((page) => (
        <Link
          key={page.to}
          to={page.to}
          search={(before) => ({ range: before.range })}
          activeOptions={{ exact: true, includeSearch: false }}
          className="flex h-14 flex-1 flex-col items-center justify-center gap-0.5 text-[13px] font-medium text-muted"
          activeProps={{ className: "!text-accent" }}
        >
          <Icon name={page.icon} className="size-5" />
          {page.label}
        </Link>
      ))}
    </nav>
  );
}
