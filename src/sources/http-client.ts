/**
 * GET requests as model files need them: redirects followed one by one, credentials kept to their own origin,
 * statuses turned into typed errors, and no secret in any message.
 */
import { AbortError, DownloadError } from "../errors.ts";
import { type Clock, systemClock, within } from "./clock.ts";

/** The part of `fetch` that is used; a Worker's asset binding or a test's server will do as well. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface HttpOptions {
  readonly fetch: Fetch;
  readonly clock?: Clock | undefined;
  /** `Authorization` for requests to one origin; a redirect elsewhere goes without it. */
  readonly authorization?: { readonly origin: string; readonly value: string } | undefined;
}

/** The most redirects followed. `fetch` itself follows 20; model hosts need one or two. */
const MOST_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Statuses after which the same request may work: request timeout, too many requests, server errors. */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Silence after which a connection counts as broken. */
export const SILENCE_MS = 30_000;
/** A server may ask for a longer pause than our own, up to this. */
const LONGEST_PAUSE_MS = 30_000;

export class HttpClient {
  readonly clock: Clock;
  readonly #fetch: Fetch;
  readonly #authorization: HttpOptions["authorization"];

  constructor({ fetch, clock = systemClock, authorization }: HttpOptions) {
    this.#fetch = fetch;
    this.clock = clock;
    this.#authorization = authorization;
  }

  /**
   * One GET, redirects included. The caller reads or cancels the body, and ends the request by the
   * controller.
   *
   * @param connection aborts the request and its body
   * @returns a response of status 200, 206 or 304
   * @throws DownloadError for any other status, a redirect that leads nowhere, no answer; AbortError if the
   *   signal is aborted
   */
  async get(
    url: URL,
    headers: Readonly<Record<string, string>>,
    connection: AbortController,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const name = displayUrl(url);
    let at = url;
    let redirect: RequestRedirect = "manual";
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      const response = await this.#once(at, headers, redirect, connection, signal, name);
      // Browsers hide where a redirect leads, follow it themselves, and take credentials off on the way.
      if (response.type === "opaqueredirect") redirect = "follow";
      else if (REDIRECTS.has(response.status)) at = nextUrl(at, response, name);
      else if ([200, 206, 304].includes(response.status)) return response;
      else {
        await response.body?.cancel();
        throw statusError(name, response);
      }
      await response.body?.cancel();
    }
    throw new DownloadError(
      `${name}: got more than ${MOST_REDIRECTS} redirects, the last to ${displayUrl(at)}, need at most that`,
    );
  }

  async #once(
    url: URL,
    headers: Readonly<Record<string, string>>,
    redirect: RequestRedirect,
    connection: AbortController,
    signal: AbortSignal | undefined,
    name: string,
  ): Promise<Response> {
    const authorized = this.#authorization?.origin === url.origin;
    const allHeaders = authorized ? { ...headers, authorization: this.#authorization!.value } : headers;
    const answer = this.#fetch(url.href, { headers: allHeaders, redirect, signal: connection.signal });
    const late = () => new DownloadError(`${name}: got no answer, need one within ${SILENCE_MS / 1000} s`, { transient: true });
    try {
      return await within(answer, { clock: this.clock, limitMs: SILENCE_MS, late, signal, work: `loading ${name}` });
    } catch (error) {
      if (error instanceof AbortError || error instanceof DownloadError) throw error;
      // What went wrong is in the cause; the message of the runtime may quote the URL with its query.
      throw new DownloadError(`${name}: got no connection, need one: ${networkProblem(error)}`, {
        transient: true,
        cause: error,
      });
    }
  }
}

/** Origin and path. User, password, query and fragment may be secrets. */
export function displayUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/**
 * Milliseconds before attempt `failures + 1`: 0.5 s, doubled each time, at most 8 s, or as long as the server
 * asked for.
 */
export function pauseAfter(failures: number, error: unknown): number {
  const asked = error instanceof DownloadError && error.cause instanceof RetryAfter ? error.cause.ms : 0;
  return Math.max(asked, Math.min(8000, 250 * 2 ** failures));
}

/** The URL a redirect leads to. Only HTTP: a `file:` or `data:` URL is not a place to be sent to. */
function nextUrl(from: URL, response: Response, name: string): URL {
  const target = response.headers.get("location");
  // URL.parse would say it in one call, but Node 20 does not have it.
  const url = target !== null && URL.canParse(target, from.href) ? new URL(target, from.href) : undefined;
  if (url && /^https?:$/.test(url.protocol)) {
    if (from.protocol === "https:" && url.protocol === "http:") {
      throw new DownloadError(
        `${name}: got a redirect from https to ${displayUrl(url)}, need https: anyone on the way could change the rest`,
      );
    }
    return url;
  }
  throw new DownloadError(`${name}: got status ${response.status} without a place to go to, need an http or https URL`, {
    status: response.status,
  });
}

/** The time a server asked to be left alone; the cause of the error it answered with. */
class RetryAfter extends Error {
  readonly ms: number;

  constructor(seconds: number) {
    super(`asked to wait ${seconds} s`);
    this.ms = Math.min(LONGEST_PAUSE_MS, 1000 * seconds);
  }
}

function statusError(name: string, { status, headers }: Response): DownloadError {
  const meaning: Record<number, string> = { 401: " (a token is needed)", 403: " (not allowed)", 404: " (not found)" };
  const seconds = Number(headers.get("retry-after") ?? "none");
  const cause = Number.isFinite(seconds) && seconds > 0 ? new RetryAfter(seconds) : undefined;
  return new DownloadError(`${name}: got HTTP status ${status}${meaning[status] ?? ""}, need 200`, {
    status,
    transient: TRANSIENT.has(status),
    cause,
  });
}

function networkProblem(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  return code ?? "the request failed";
}
