import type { ReactNode } from "react";
import { classes } from "./classes";

/** Paths on a 20 by 20 grid, drawn with the colour of the text around them. */
const PATHS: Record<string, ReactNode> = {
  overview: <path d="M3 17V9m4.7 8V3m4.6 14v-6M17 17V6" />,
  cache: <path d="M11.5 2.5 4.5 11H10l-1.5 6.5 7-8.5H10l1.5-6.5Z" />,
  key: (
    <>
      <circle cx="7" cy="13" r="3.5" />
      <path d="m9.5 10.5 7-7M13 7l2.5 2.5" />
    </>
  ),
  system: (
    <>
      <rect x="3" y="4" width="14" height="9.5" rx="1.5" />
      <path d="M7.5 17h5" />
    </>
  ),
  light: (
    <>
      <circle cx="10" cy="10" r="3.4" />
      <path d="M10 2.5v2m0 11v2M2.5 10h2m11 0h2M4.7 4.7l1.4 1.4m7.8 7.8 1.4 1.4m0-10.6-1.4 1.4m-7.8 7.8-1.4 1.4" />
    </>
  ),
  dark: <path d="M16.5 12.2A7 7 0 0 1 7.8 3.5a7 7 0 1 0 8.7 8.7Z" />,
  copy: (
    <>
      <rect x="7" y="7" width="10" height="10" rx="2" />
      <path d="M13 7V5a2 2 0 0 0-2-2H5a2 2 0 0 0-2 2v6a2 2 0 0 0 2 2h2" />
    </>
  ),
  check: <path d="m4 10.5 4 4 8-9" />,
  close: <path d="m5 5 10 10M15 5 5 15" />,
  plus: <path d="M10 4v12M4 10h12" />,
  warning: <path d="M10 3 2.5 16.5h15L10 3Zm0 5v4.2m0 2v.1" />,
  table: <path d="M3 4.5h14v11H3zM3 8.2h14M3 11.8h14M8 8.2v7.3" />,
  chart: <path d="M3 16.5h14M4 13l4-4.5 3 2.5 5-6" />,
  more: <path d="M4.5 10h.01M10 10h.01M15.5 10h.01" strokeWidth="2.6" />,
  arrow: <path d="M4 10h12m-4.5-4.5L16 10l-4.5 4.5" />,
  search: (
    <>
      <circle cx="9" cy="9" r="5" />
      <path d="m13 13 4 4" />
    </>
  ),
  trash: <path d="M4 6h12M8 6V4h4v2m-6.5 0 .8 11h7.4l.8-11" />,
  rotate: <path d="M16 10a6 6 0 1 1-1.8-4.3M16 3v3.5h-3.5" />,
};

export type IconName = keyof typeof PATHS;

export function Icon({ name, className }: { name: IconName; className?: string }) {
  return (
    <svg
      viewBox="0 0 20 20"
      className={classes("size-4 shrink-0", className)}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {PATHS[name]}
    </svg>
  );
}
