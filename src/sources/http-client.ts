/**
 * GET requests as model files need them: redirects followed one by one, credentials kept to their own origin,
 * statuses turned into typed errors, and no secret in any message.
 */
import { AbortError, DownloadError } from "../errors.ts";
import { type Clock, systemClock, within } from "./clock.ts";
import { networkProblem } from "./network-problem.ts";

/** The part of `fetch` that is used; a Worker's asset binding or a test's server will do as well. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface HttpOptions {
  readonly fetch: Fetch;
  readonly clock?: Clock | undefined;
  /** `Authorization` for requests to one origin; a redirect elsewhere goes without it. */
  readonly authorization?: { readonly origin: string; readonly value: string } | undefined;
  /** Told of each pause before a request is sent again. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** What to say of a connection that could not be made: a proxy that is not heeded. */
  readonly advice?: (() => string | undefined) | undefined;
}

/** The most redirects followed. `fetch` itself follows 20; model hosts need one or two. */
const MOST_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Statuses after which the same request may work: request timeout, too many requests, server errors. */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Silence after which a connection counts as broken. */
export const SILENCE_MS = 30_000;
/** Failures in a row, without a byte between them, before giving up. */
const MOST_FAILURES = 5;
/**
 * A server may ask for a longer pause than our own, up to this: the window in which the Hugging Face Hub
 * counts requests. Whoever asks for more is given up at once.
 */
const LONGEST_PAUSE_MS = 300_000;

export class HttpClient {
  readonly clock: Clock;
  readonly #fetch: Fetch;
  readonly #authorization: HttpOptions["authorization"];
  readonly #onWarning: HttpOptions["onWarning"];
  readonly #advice: HttpOptions["advice"];
  /** Origins that have answered: one of these that refuses is likely to come back. */
  readonly #answered = new Set<string>();

  constructor({ fetch, clock = systemClock, authorization, onWarning, advice }: HttpOptions) {
    this.#fetch = fetch;
    this.clock = clock;
    this.#authorization = authorization;
    this.#onWarning = onWarning;
    this.#advice = advice;
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
      const authorized = this.#authorization?.origin === at.origin;
      const allHeaders = authorized ? { ...headers, authorization: this.#authorization!.value } : headers;
      const init = { headers: allHeaders, redirect, signal: connection.signal };
      const response = await this.answer(at, init, signal, name);
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

  /**
   * The answer to one request, whatever its status.
   *
   * @param init as `fetch` takes it; its signal ends the request and its body
   * @param name for messages
   * @throws DownloadError if there is none; AbortError if `signal` is aborted
   */
  async answer(url: URL, init: RequestInit, signal: AbortSignal | undefined, name = displayUrl(url)): Promise<Response> {
    const late = () => new DownloadError(`${name}: got no answer, need one within ${SILENCE_MS / 1000} s`, { transient: true });
    const deadline = { clock: this.clock, limitMs: SILENCE_MS, late, signal, work: `loading ${name}` };
    try {
      const response = await within(this.#fetch(url.href, init), deadline);
      this.#answered.add(url.origin);
      return response;
    } catch (error) {
      if (error instanceof AbortError || error instanceof DownloadError) throw error;
      const { reason, retries } = networkProblem(error);
      const advice = this.#advice?.();
      throw new DownloadError(
        `${name}: got no connection to ${url.host}, need one: ${reason}${advice === undefined ? "" : `; ${advice}`}`,
        { transient: true, cause: new NoConnection(reason, this.#answered.has(url.origin) ? undefined : retries, error) },
      );
    }
  }

  /**
   * Throws what cannot be helped; else says so and waits, so that the caller may try again.
   *
   * @param failures in a row, this one included
   * @throws the error, after the last attempt with their number; AbortError as soon as the signal is aborted
   */
  async afterFailure(error: unknown, failures: number, signal: AbortSignal | undefined): Promise<void> {
    if (!(error instanceof DownloadError) || !error.transient) throw error;
    const { cause, message, status } = error;
    const most = (cause instanceof NoConnection ? cause.retries : undefined) ?? MOST_FAILURES;
    const asked = cause instanceof RetryAfter ? cause.ms : 0;
    const options = { ...(status !== undefined && { status }), transient: true, cause: error };
    if (failures > most) throw failures === 1 ? error : new DownloadError(`${message}; tried ${failures} times`, options);
    if (asked > LONGEST_PAUSE_MS) {
      throw new DownloadError(`${message}; it asks for a pause of ${asked / 1000} s, longer than this waits`, options);
    }
    const pause = pauseAfter(failures, asked);
    this.#onWarning?.(`${message}; trying again in ${pause / 1000} s (attempt ${failures + 1} of ${most + 1})`);
    await this.clock.sleep(pause, signal);
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
const pauseAfter = (failures: number, asked: number) => Math.max(asked, Math.min(8000, 250 * 2 ** failures));

/** The URL a redirect leads to. Only HTTP: a `file:` or `data:` URL is not a place to be sent to. */
function nextUrl(from: URL, response: Response, name: string): URL {
  const target = response.headers.get("location");
  // URL.parse would say it in one call, but Node 20 does not have it.
  const url = target !== null && URL.canParse(target, from.href) ? new URL(target, from.href) : undefined;
  if (url && /^https?:$/.test(url.protocol)) {
    if (url.username !== "" || url.password !== "") {
      throw new DownloadError(
        `${name}: got a redirect to ${displayUrl(url)} with a user in it, need one without: fetch refuses it`,
      );
    }
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
    this.ms = 1000 * seconds;
  }
}

/** A request that nobody answered; the cause of the error about it. */
class NoConnection extends Error {
  readonly retries: number | undefined;

  constructor(reason: string, retries: number | undefined, cause: unknown) {
    super(reason, { cause });
    this.retries = retries;
  }
}

const MEANINGS: Readonly<Record<number, string>> = {
  401: " (a token is needed)",
  403: " (not allowed)",
  404: " (not found)",
  429: " (too many requests)",
};

export const isTransientStatus = (status: number): boolean => TRANSIENT.has(status);

/** The error for an answer of another status than was asked for. */
export function statusError(name: string, { status, headers }: Response): DownloadError {
  const seconds = pauseAsked(headers);
  const cause = seconds > 0 ? new RetryAfter(seconds) : undefined;
  return new DownloadError(`${name}: got HTTP status ${status}${MEANINGS[status] ?? ""}, need 200`, {
    status,
    transient: TRANSIENT.has(status),
    cause,
  });
}

/**
 * Seconds a server wants to be left alone: `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3),
 * or the `t=` of `RateLimit`, which the Hugging Face Hub sends with 429. 0 if it does not say.
 */
function pauseAsked(headers: Headers): number {
  const after = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(after)) return Number(after);
  const date = after.endsWith("GMT") ? Date.parse(after) : NaN;
  if (!Number.isNaN(date)) {
    const sent = Date.parse(headers.get("date") ?? "");
    return Math.max(0, Math.ceil((date - (Number.isNaN(sent) ? Date.now() : sent)) / 1000));
  }
  return Number(/;\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1] ?? 0);
}
