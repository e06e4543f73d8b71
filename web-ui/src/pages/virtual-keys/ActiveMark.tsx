import { classes } from "../../ui/classes";

export function ActiveMark({ active }: { active: boolean }) {
  return (
    <span
      className={classes(
        "inline-flex items-center gap-1.5 rounded-full px-2 py-0.5 text-[13px] font-medium",
        active ? "bg-good-soft text-good" : "bg-sunken text-muted",
      )}
    >
      <span
        aria-hidden="true"
        className={classes(
          "size-2 rounded-full border-[1.5px] border-current",
          active && "bg-current",
        )}
      />
      {active ? "Active" : "Disabled"}
    </span>
  );
}
