import { type FormEvent, useState } from "react";
import { ApiError, type Problem } from "../api/client";
import { Notice } from "./Notice";
import { Prose } from "./Prose";

/** What is wrong, by the JSON path of the field; the empty path is the whole form. */
export type Complaints = Record<string, string>;

/** What was typed as the body to send, or what stands in the way. */
export type Read<Body> = { body: Body } | { complaints: Complaints };

type Answer = { onError: (error: Error) => void };

/**
 * What is typed into a form, and what is wrong with it. `read` turns it into the body to send, and
 * `isField` says which JSON paths the form has a field for.
 */
export function useForm<Draft extends object, Body>(
  start: () => Draft,
  read: (draft: Draft) => Read<Body>,
  isField: (path: string) => boolean,
) {
  const [draft, setDraft] = useState(start);
  const [complaints, setComplaints] = useState<Complaints>({});
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));

  const submit =
    (send: (body: Body, answer: Answer) => void) => (event: FormEvent<HTMLFormElement>) => {
      event.preventDefault();
      const form = event.currentTarget;
      const complain = (found: Complaints) => {
        setComplaints(found);
        // Once the messages stand there, the first wrong field is where to go on.
        requestAnimationFrame(() => form.querySelector<HTMLElement>("[aria-invalid]")?.focus());
      };
      const found = read(draft);
      if ("complaints" in found) {
        complain(found.complaints);
        return;
      }
      setComplaints({});
      send(found.body, { onError: (error) => complain(complaintsOf(error, isField)) });
    };
  return { draft, set, complaints, submit };
}

/** What is wrong with a form as a whole. */
export function FormComplaint({ complaints }: { complaints: Complaints }) {
  if (!complaints[""]) return null;
  return (
    <div role="alert">
      <Notice tone="bad">
        <Prose text={complaints[""]} />
      </Notice>
    </div>
  );
}

/** The gateway's complaints by field. `known` are the paths that the form has a field for. */
function complaintsOf(error: Error, known: (path: string) => boolean): Complaints {
  const problems = error instanceof ApiError ? error.problems : [];
  const found = problems.length > 0 ? problems : [problemIn(error.message, known)];
  const complaints: Complaints = {};
  for (const { path, message } of found) {
    const field = known(path) ? path : "";
    const text = field === path || !path ? message : `${path}: ${message}`;
    complaints[field] = complaints[field] ? `${complaints[field]}; ${text}` : text;
  }
  return complaints;
}

/** A conflict names its field in front of its message only: "name: `x` is the name of …". */
function problemIn(message: string, known: (path: string) => boolean): Problem {
  const [path, ...rest] = message.split(": ");
  if (path !== undefined && rest.length > 0 && known(path)) {
    return { path, message: rest.join(": ") };
  }
  return { path: "", message };
}
