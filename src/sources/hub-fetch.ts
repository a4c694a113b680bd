/** `fetch` for the library of the Hub, as careful as that for files: bounded in time, bytes and pages. */
import { DownloadError } from "../errors.ts";
import { within } from "./clock.ts";
import { displayUrl, type HttpClient, isTransientStatus, SILENCE_MS, statusError } from "./http-client.ts";

/** The largest answer read: a page of the listing has a thousand files, of a few hundred bytes each. */
const MOST_ANSWER_BYTES = 16 * 2 ** 20;
/** The most requests for one listing. */
const MOST_REQUESTS = 100;

/**
 * A `fetch` for one listing. Answers after which the same request may work are errors, so that it is known
 * how long the server wants to be left alone.
 *
 * @param origin where the token may go: a page of the listing may name any URL as the next one
 * @throws DownloadError, AbortError
 */
export function hubFetch(client: HttpClient, origin: string, signal: AbortSignal | undefined): typeof fetch {
  let requests = 0;
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const name = displayUrl(url);
    if (++requests > MOST_REQUESTS)
      throw new DownloadError(`${name}: got more than ${MOST_REQUESTS} pages of one listing, need at most that`);
    if (!/^https?:$/.test(url.protocol)) throw new DownloadError(`${name}: got a URL of ${url.protocol}, need http: or https:`);
    const headers = new Headers(init?.headers);
    if (url.origin !== origin) headers.delete("authorization");
    const connection = new AbortController();
    try {
      const response = await client.answer(url, { ...init, headers, signal: connection.signal }, signal, name);
      if (isTransientStatus(response.status)) throw statusError(name, response);
      const body = await readBounded(client, response, name, signal);
      return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
    } finally {
      connection.abort();
    }
  };
}

async function readBounded(
  client: HttpClient,
  response: Response,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Blob | null> {
  const reader = response.body?.getReader();
  if (!reader) return null;
  const late = () => new DownloadError(`${name}: got no byte, need one within ${SILENCE_MS / 1000} s`, { transient: true });
  const deadline = { clock: client.clock, limitMs: SILENCE_MS, late, signal, work: `loading ${name}` };
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (;;) {
    const { value } = await within(reader.read(), deadline);
    if (!value) return new Blob(chunks);
    chunks.push(value);
    length += value.length;
    if (length > MOST_ANSWER_BYTES)
      throw new DownloadError(`${name}: got more than ${MOST_ANSWER_BYTES} bytes, need at most that of a listing`);
  }
}
