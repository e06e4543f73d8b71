import { useNavigate } from "@tanstack/react-router";
import { type RangeName, rangeInWords, widerRange } from "../../ranges";
import { Button } from "../../ui/Button";

/** Stands in a chart without data and offers to look further back. */
export function NothingHere({ range }: { range: RangeName }) {
  const navigate = useNavigate();
  const wider = widerRange(range);
  return (
    <>
      <p className="text-muted">No requests in this range</p>
      {wider ? (
        <Button
          small
          onClick={() => navigate({ to: ".", search: (before) => ({ ...before, range: wider }) })}
        >
          Show the {rangeInWords(wider)}
        </Button>
      ) : null}
    </>
  );
}
