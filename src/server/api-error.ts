/** Errors as OpenAI's API gives them: `{ "error": { "message", "type", "param", "code" } }`. */
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { AbortError, CapacityError, FptqError, OptionError, UnsupportedModelError } from "../errors.ts";

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
  static override readonly name = "ApiError";
  override readonly name = "ApiError";
  readonly status: ContentfulStatusCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;

  constructor(status: ContentfulStatusCode, message: string, { param, code, headers = {} }: Details = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
    this.body = { error: { message, type: typeOf(status), param: param ?? null, code: code ?? null } };
  }
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** Statuses that say why a request was turned away before anybody looked at it. */
const REASONS: Readonly<Record<number, string>> = {
  400: "authorization: need the header Authorization: Bearer KEY",
  401: "authorization: need a valid key: Authorization: Bearer KEY",
};

/**
 * Turns whatever was thrown into what a client may know: all about its own request, nothing about the server.
 * @returns undefined for a failure of the server's own, which its log has to say
 */
export function explained(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (error instanceof OptionError || error instanceof UnsupportedModelError) return new ApiError(400, error.message);
  if (error instanceof CapacityError) return new ApiError(429, error.message, { code: "overloaded", headers: RETRY_SOON });
  if (error instanceof AbortError) return new ApiError(408, "request: was given up before it was answered");
  if (error instanceof HTTPException) {
    const status = error.status as ContentfulStatusCode;
    return new ApiError(status === 400 ? 401 : status, REASONS[status] ?? error.message, { code: "invalid_api_key" });
  }
  return undefined;
}

/** Seconds after which a client that was sent away may try again; about one answer. */
export const RETRY_SOON = { "Retry-After": "5" } as const;

/** What a client is told where the server itself failed. */
export function failure(error: unknown): ApiError {
  const code = error instanceof FptqError ? error.code : undefined;
  return new ApiError(500, "server: failed; its log says why", code === undefined ? {} : { code });
}
