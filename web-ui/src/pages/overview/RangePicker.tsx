import { useNavigate } from "@tanstack/react-router";
import { RANGES, type RangeName, USUAL_RANGE } from "../../ranges";
import { Choice } from "../../ui/Choice";

const OPTIONS = RANGES.map((range) => ({ value: range, label: range }));

/** Chooses the range of the page that it stands on. */
export function RangePicker({ range }: { range: RangeName }) {
  const navigate = useNavigate();
  const choose = (chosen: RangeName) =>
    navigate({
      to: ".",
      search: (before) => ({ ...before, range: chosen === USUAL_RANGE ? undefined : chosen }),
    });
  return <Choice legend="Range" options={OPTIONS} value={range} onChange={choose} />;
}
