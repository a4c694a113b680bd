/**
 * One remote file, read from any position. Reading on is a matter of the open connection; elsewhere a new
 * request with a `Range` begins (RFC 9110, section 14), as it does after a connection that broke. From a
 * server without ranges the file is read from its start again.
 *
 * A file that is resumed must still be the same file. Its validator and size are compared in each answer
 * rather than sent as `If-Range`, which a page could not send to another origin without a preflight.
 */
import { AbortError, DownloadError, throwIfAborted } from "../errors.ts";
import { within } from "./clock.ts";
import { displayUrl, type HttpClient, SILENCE_MS } from "./http-client.ts";

export class HttpReader {
  readonly url: URL;
  /** The URL without anything secret. */
  readonly name: string;
  readonly #client: HttpClient;
  #size: number | undefined;
  #validator: string | undefined;
  #connection: AbortController | undefined;
  #body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #position = 0;
  /** Bytes that have come and have not been read. */
  #rest: Uint8Array = new Uint8Array(0);

  /** @param size in bytes, if something says it beforehand; an answer with another one is an error */
  constructor(client: HttpClient, url: URL, size?: number) {
    this.#client = client;
    this.url = url;
    this.name = displayUrl(url);
    this.#size = size;
  }

  /** The size in bytes; undefined before the first answer, or if the server does not say it. */
  get size(): number | undefined {
    return this.#size;
  }

  /** ETag, or time of the last change, if the server has told one. */
  get validator(): string | undefined {
    return this.#validator;
  }

  /**
   * Takes over what an earlier visit has found: an answer that says otherwise is about another file, and an
   * error.
   */
  expect(size: number, validator: string): void {
    this.#size = size;
    this.#validator = validator;
  }

  /**
   * The first request, which tells size and validator and leaves the connection open at byte 0.
   *
   * @param known a validator from earlier: false is returned if it still holds, and nothing is sent then
   * @param retries false to fail at the first fault
   * @throws DownloadError, AbortError
   */
  async open(signal: AbortSignal | undefined, known?: string, retries = true): Promise<boolean> {
    for (let failures = 0; ;) {
      try {
        return await this.#connect(0, signal, known);
      } catch (error) {
        if (!retries) throw error;
        await this.#afterFailure(error, ++failures, signal);
      }
    }
  }

  /** Fills `bytes` with those from `offset` on. @throws DownloadError if they cannot be had; AbortError */
  async read(offset: number, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const { length } = bytes;
    let failures = 0;
    for (let done = 0; done < length;) {
      throwIfAborted(signal, `loading ${this.name}`);
      try {
        if (!this.#body || this.#position !== offset + done) await this.#connect(offset + done, signal);
        const chunk = await this.#chunk(length - done, signal);
        bytes.set(chunk, done);
        done += chunk.length;
        failures = 0;
      } catch (error) {
        await this.#afterFailure(error, ++failures, signal);
      }
    }
  }

  /** A whole file whose size the server does not say. @throws DownloadError above `limitBytes` */
  async readToEnd(limitBytes: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const chunk = await this.#nextChunk(signal);
      if (!chunk) break;
      chunks.push(chunk);
      length += chunk.length;
      if (length > limitBytes)
        throw new DownloadError(
          `${this.name}: got more than ${limitBytes} bytes, need at most that from a server that does not say how many`,
        );
    }
    this.disconnect();
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  /** Ends the connection, if one is open; reading may go on later. */
  disconnect(): void {
    this.#connection?.abort();
    this.#body?.cancel().catch(() => {}); // the abort has ended it already
    this.#connection = undefined;
    this.#body = undefined;
    this.#rest = new Uint8Array(0);
  }

  #afterFailure(error: unknown, failures: number, signal: AbortSignal | undefined): Promise<void> {
    this.disconnect();
    return this.#client.afterFailure(error, failures, signal);
  }

  /** Opens a connection whose next byte is byte `at` of the file. @returns false if `known` still holds */
  async #connect(at: number, signal: AbortSignal | undefined, known?: string): Promise<boolean> {
    this.disconnect();
    const connection = new AbortController();
    this.#connection = connection;
    // Also from 0: the answer shows whether there are ranges, and nobody compresses a range on the way.
    const headers = { range: `bytes=${at}-`, ...(known !== undefined && conditional(known)) };
    const response = await this.#client.get(this.url, headers, connection, signal);
    if (response.status === 304 && known !== undefined) {
      this.disconnect();
      return false;
    }
    if (response.status === 304)
      throw new DownloadError(`${this.name}: got HTTP status 304 for no condition, need 200`, { status: 304 });
    this.#check(response, at);
    this.#body = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
    if (!this.#body) throw new DownloadError(`${this.name}: got an answer without a body, need one with it`);
    this.#position = response.status === 206 ? at : 0;
    while (this.#position < at) await this.#chunk(at - this.#position, signal);
    return true;
  }

  /** Compares an answer with what is known of the file, and keeps what is new. */
  #check(response: Response, at: number): void {
    const { headers, status } = response;
    const encoding = headers.get("content-encoding");
    const length = encoding === null || encoding === "identity" ? headers.get("content-length") : null;
    let size = length === null ? undefined : this.#bytes("Content-Length", length);
    if (status === 206) {
      const range = headers.get("content-range");
      const [, begin, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(range ?? "") ?? [];
      // A page sees the header only if the server exposes it; the length of what remains tells as much.
      if (total !== undefined) size = this.#bytes("Content-Range", total);
      else if (size !== undefined) size += at;
      if (begin !== undefined && Number(begin) !== at) {
        throw new DownloadError(`${this.name}: got bytes from ${begin}, need them from ${at}`);
      }
      if (/^multipart\//i.test(headers.get("content-type") ?? "")) {
        throw new DownloadError(`${this.name}: got several ranges in one answer, need the one from ${at}`);
      }
    }
    if (size !== undefined && size < at) throw new DownloadError(`${this.name}: got ${size} bytes, need more than ${at}`);
    if (size !== undefined && this.#size !== undefined && size !== this.#size) {
      throw new DownloadError(`${this.name}: got ${size} bytes, need ${this.#size}: another file, or changed on the server`);
    }
    const validator = headers.get("etag") ?? headers.get("last-modified") ?? undefined;
    if (validator !== undefined && this.#validator !== undefined && validator !== this.#validator) {
      throw new DownloadError(
        `${this.name}: got validator ${validator}, need ${this.#validator}: changed on the server while it was being loaded`,
      );
    }
    this.#size ??= size;
    this.#validator ??= validator;
  }

  /** A number of bytes in a header. @throws DownloadError if it is none, or more than a double holds */
  #bytes(header: string, text: string): number {
    const bytes = /^\d+$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(bytes)) return bytes;
    throw new DownloadError(`${this.name}: ${header}: got ${JSON.stringify(text.slice(0, 40))}, need a number of bytes`);
  }

  /** One to `most` bytes. @throws DownloadError if the body ends or breaks before the file does */
  async #chunk(most: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      const next = await this.#nextChunk(signal);
      if (!next) {
        throw new DownloadError(`${this.name}: got ${this.#position} bytes, need ${this.#size ?? "more"}: the body ended`, {
          transient: true,
        });
      }
      this.#rest = next;
    }
    const chunk = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(chunk.length);
    this.#position += chunk.length;
    return chunk;
  }

  async #nextChunk(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const { clock } = this.#client;
    const work = `loading ${this.name}`;
    const late = () =>
      new DownloadError(`${this.name}: got no byte, need one within ${SILENCE_MS / 1000} s`, { transient: true });
    try {
      const { value } = await within(this.#body!.read(), { clock, limitMs: SILENCE_MS, late, signal, work });
      return value;
    } catch (cause) {
      if (cause instanceof AbortError) this.disconnect();
      if (cause instanceof AbortError || cause instanceof DownloadError) throw cause;
      throw new DownloadError(`${this.name}: got ${this.#position} bytes, need ${this.#size ?? "more"}: the connection broke`, {
        transient: true,
        cause,
      });
    }
  }
}

/** An ETag is quoted, a date is not (RFC 9110, sections 8.8.2 and 8.8.3). */
function conditional(validator: string): Record<string, string> {
  return validator.includes('"') ? { "if-none-match": validator } : { "if-modified-since": validator };
}
