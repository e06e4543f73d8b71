import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Overview } from "../../api/generated/Overview";
import { Button, buttonClass } from "../../ui/Button";
import { classes } from "../../ui/classes";
import { Icon } from "../../ui/Icon";
import { Snippet } from "../../ui/Snippet";
import { addProvider, sendWithCurl, sendWithPython } from "./snippets";

type Props = { overview: Overview; onSkip: () => void };

const VARIABLES = [
  "OPENAI_API_KEY",
  "ANTHROPIC_API_KEY",
  "GEMINI_API_KEY",
  "GROQ_API_KEY",
  "MISTRAL_API_KEY",
  "OPENROUTER_API_KEY",
];

/** Three steps from an empty gateway to the first answer. */
export function FirstRun({ overview, onSkip }: Props) {
  const provider = overview.providers[0]?.name;
  const hasKey = overview.virtual_keys.length > 0;
  const origin = window.location.origin;
  return (
    <section
      aria-labelledby="first-run-title"
      data-testid="empty-first-run"
      className="mx-auto max-w-3xl rounded-xl border border-line bg-surface p-5 shadow-card md:p-8"
    >
      <h2 id="first-run-title" className="text-lg font-semibold">
        Three steps to the first answer
      </h2>
      <p className="mt-1 text-muted">
        The gateway runs at <code className="text-ink">{origin}</code>. This page goes on by itself
        as soon as something happens.
      </p>
      <ol className="mt-6 flex flex-col gap-7">
        <Step number={1} done={provider !== undefined} title="Add a provider">
          {provider === undefined ? (
            <>
              <p>Give the gateway a key of a provider that you use:</p>
              <Snippet what="Add OpenAI with curl" text={addProvider(origin)} />
              <p className="text-muted">
                Or stop the gateway and start it with one of these environment variables set. It
                finds them by itself:{" "}
                {VARIABLES.map((name, at) => (
                  <span key={name}>
                    {at > 0 ? ", " : ""}
                    <code className="text-ink">{name}</code>
                  </span>
                ))}{" "}
                and those of further providers.
              </p>
            </>
          ) : (
            <p>
              <strong>{provider}</strong> is configured.
            </p>
          )}
        </Step>
        <Step number={2} done={hasKey} title="Create a virtual key (optional)">
          {hasKey ? (
            <p>There is a virtual key.</p>
          ) : (
            <>
              <p>
                A virtual key gives a team or an app a secret of its own, with a budget, rate limits
                and a choice of providers.
              </p>
              <Link
                to="/virtual-keys"
                search={{ create: true }}
                className={classes(buttonClass(), "self-start")}
              >
                Create a virtual key
              </Link>
            </>
          )}
        </Step>
        <Step number={3} done={false} title="Send a request">
          <p>Point any OpenAI client at this gateway:</p>
          <Snippet what="curl" text={sendWithCurl(origin, provider)} />
          <Snippet what="Python, with the openai package" text={sendWithPython(origin, provider)} />
          <p role="status" className="flex items-center gap-2 text-muted">
            <span aria-hidden="true" className="size-2 animate-pulse rounded-full bg-accent" />
            Waiting for the first request…
          </p>
        </Step>
      </ol>
      {provider === undefined ? null : (
        <Button className="mt-5 ml-10" onClick={onSkip}>
          Show the overview now
        </Button>
      )}
    </section>
  );
}

type StepProps = { number: number; done: boolean; title: string; children: ReactNode };

function Step({ number, done, title, children }: StepProps) {
  return (
    <li className="grid grid-cols-[1.75rem_minmax(0,1fr)] gap-x-3">
      <span
        className={classes(
          "flex size-7 items-center justify-center rounded-full text-[13px] font-semibold",
          done ? "bg-good-soft text-good" : "bg-accent-soft text-accent",
        )}
      >
        {done ? <Icon name="check" /> : number}
      </span>
      <div className="flex min-w-0 flex-col gap-3">
        <h3 className="pt-1 font-semibold">
          {title}
          {done ? <span className="sr-only"> (done)</span> : null}
        </h3>
        {children}
      </div>
    </li>
  );
}
