import { useNavigate } from "@tanstack/react-router";
import { RANGES, type RangeName, USUAL_RANGE } from "../../ranges";
import { Choice } from "../../ui/Choice";

const OPTIONS = RANGES.map((range) => ({ value: range, label: range }));

export function RangePicker({ range }: { range: RangeName }) {
  const navigate = useNavigate({ from: "/" });
  const choose = (chosen: RangeName) =>
    navigate({
      search: (before) => ({ ...before, range: chosen === USUAL_RANGE ? undefined : chosen }),
    });
  return <Choice legend="Range" options={OPTIONS} value={range} onChange={choose} />;
}
