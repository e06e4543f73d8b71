import { useEffect, useState } from "react";

/** The time in Unix seconds, anew every `everySeconds`. */
export function useNow(everySeconds = 1): number {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now() / 1000), everySeconds * 1000);
    return () => window.clearInterval(timer);
  }, [everySeconds]);
  return now;
}
