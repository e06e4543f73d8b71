import type { ComponentProps } from "react";
import { classes } from "./classes";

type Look = "plain" | "primary" | "danger" | "quiet";

const LOOKS: Record<Look, string> = {
  plain: "border-line bg-surface text-ink hover:bg-sunken",
  primary: "border-transparent bg-accent text-accent-ink hover:opacity-90",
  danger: "border-bad text-bad bg-surface hover:bg-bad-soft",
  quiet: "border-transparent text-muted hover:bg-sunken hover:text-ink",
};

export type ButtonProps = ComponentProps<"button"> & { look?: Look; small?: boolean };

export function buttonClass(look: Look = "plain", small = false): string {
  return classes(
    "inline-flex items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap transition-colors disabled:opacity-55",
    small ? "h-7 px-2 text-[13px]" : "h-9 px-3",
    LOOKS[look],
  );
}

export function Button({ look, small, className, ...rest }: ButtonProps) {
  return (
    <button type="button" className={classes(buttonClass(look, small), className)} {...rest} />
  );
}
