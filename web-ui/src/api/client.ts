/** One thing that is wrong with what was sent, by JSON path. */
export type Problem = { path: string; message: string };

/** An answer of the gateway that is no success, or no answer at all (status 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly problems: Problem[];

  constructor(status: number, message: string, problems: Problem[] = []) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.problems = problems;
  }
}

export function isUnauthorized(error: Error | null): boolean {
  return error instanceof ApiError && error.status === 401;
}

type ErrorBody = { error?: { message?: string; problems?: Problem[] } };

/** Calls the gateway; `body` is sent as JSON. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...init.headers, "content-type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError(0, "The gateway does not answer. Is it running?");
  }
  if (!response.ok) throw await errorOf(response);
  return (await response.json()) as T;
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as ErrorBody;
    if (body.error?.message) {
      return new ApiError(response.status, body.error.message, body.error.problems ?? []);
    }
  } catch {
    // A proxy in between answers with a page; its status has to do.
  }
  return new ApiError(response.status, `The gateway answered with status ${response.status}.`);
}
