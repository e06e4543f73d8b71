import { CopyButton } from "./CopyButton";

/** A piece of text to take away: a command, some code, a secret. */
export function Snippet({ text, what }: { text: string; what: string }) {
  return (
    <div className="relative min-w-0 rounded-md border border-line bg-sunken">
      <div className="flex items-center justify-between border-b border-line py-1 pr-1 pl-3">
        <span className="text-[13px] text-muted">{what}</span>
        <CopyButton text={text} what={what} />
      </div>
      {/* It scrolls, so the keyboard must reach it. */}
      <pre tabIndex={0} className="overflow-x-auto p-3 font-mono text-[12.5px] leading-relaxed">
        {text}
      </pre>
    </div>
  );
}
