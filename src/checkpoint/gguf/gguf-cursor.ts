/**
 * A cursor over the start of a file that fetches it in growing windows, so that a header of a few kilobytes
 * or of tens of megabytes is read without ever holding the tensors behind it.
 *
 * Every length is compared with the bytes that remain in the file before it is used.
 */
import { CheckpointError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";

const FIRST_WINDOW_BYTES = 64 * 1024;
const LARGEST_WINDOW_BYTES = 8 * 1024 * 1024;

export class GgufCursor {
  readonly #file: ByteSource;
  readonly #signal: AbortSignal | undefined;
  readonly #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #buffer: Uint8Array = new Uint8Array(0);
  #view = new DataView<ArrayBufferLike>(this.#buffer.buffer);
  /** File offset of the window's first byte. */
  #windowOffset = 0;
  #next = 0;
  #windowBytes = FIRST_WINDOW_BYTES;

  constructor(file: ByteSource, signal?: AbortSignal) {
    this.#file = file;
    this.#signal = signal;
  }

  /** File offset of the next byte. */
  get offset(): number {
    return this.#windowOffset + this.#next;
  }

  get remaining(): number {
    return this.#file.size - this.offset;
  }

  /** Bytes that can be taken without fetching. */
  get available(): number {
    return this.#buffer.length - this.#next;
  }

  /**
   * Makes at least `length` bytes available.
   * @throws CheckpointError if the file ends before
   */
  async fetch(length: number, what: string): Promise<void> {
    if (length <= this.available) return;
    const { offset } = this;
    if (length > this.remaining) {
      throw new CheckpointError(
        `${this.#file.name}: ${what}: got ${Math.max(0, this.remaining)} bytes from offset ${offset} to the end, need ${length}`,
      );
    }
    const bytes = Math.min(Math.max(length, this.#windowBytes), this.remaining);
    const buffer = await this.#file.read(offset, bytes, this.#signal);
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    this.#windowOffset = offset;
    this.#next = 0;
    this.#windowBytes = Math.min(2 * this.#windowBytes, LARGEST_WINDOW_BYTES);
  }

  // What follows takes bytes that `fetch` has made available.

  u8(): number {
    return this.#buffer[this.#advance(1)]!;
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true);
  }

  /** A view of the next bytes, valid until the next `fetch`. */
  take(length: number): DataView {
    const at = this.#advance(length);
    return new DataView(this.#view.buffer, this.#view.byteOffset + at, length);
  }

  /** @throws CheckpointError if the bytes are not UTF-8 */
  utf8(length: number, what: string): string {
    const { offset } = this;
    const at = this.#advance(length);
    try {
      return this.#text.decode(this.#buffer.subarray(at, at + length));
    } catch (cause) {
      throw new CheckpointError(`${this.#file.name}: ${what}: got bytes at offset ${offset} that are not UTF-8, need UTF-8`, {
        cause,
      });
    }
  }

  #advance(length: number): number {
    const at = this.#next;
    this.#next += length;
    return at;
  }
}
