/** Errors as OpenAI's API gives them: `{ "error": { "message", "type", "param", "code" } }`. */
import { OptionError } from "fptq";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

interface Details {
  /** The field of the request that is to blame. */
  readonly param?: string;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a client is told instead of an answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: ContentfulStatusCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;

  constructor(status: ContentfulStatusCode, message: string, { param, code, headers = {} }: Details = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
    const type = status < 500 ? "invalid_request_error" : "server_error";
    this.body = { error: { message, type, param: param ?? null, code: code ?? null } };
  }
}

/** What a client may know: all about its own request, nothing about the server. */
export function explain(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof OptionError) return new ApiError(400, error.message);
  if (error instanceof HTTPException) return new ApiError(error.status as ContentfulStatusCode, error.message);
  // Nobody reads it.
  if (error instanceof Error && error.name === "AbortError") return new ApiError(408, "the client closed the request");
  console.error(error);
  return new ApiError(500, "the server failed; its log says why");
}
