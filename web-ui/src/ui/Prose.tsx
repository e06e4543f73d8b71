/** A sentence of the gateway, in which names stand between backticks. */
export function Prose({ text }: { text: string }) {
  return text.split("`").map((part, at) =>
    at % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a sentence have no other name
      <code key={at} className="rounded bg-black/5 px-1 font-mono text-[0.93em] dark:bg-white/10">
        {part}
      </code>
    ) : (
      part
    ),
  );
}
