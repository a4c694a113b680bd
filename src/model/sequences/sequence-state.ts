/**
 * A sequence as bytes: its ids, and the keys and values of its whole blocks. What lies behind the last whole
 * block is computed again, so that no byte of another sequence is ever part of it.
 *
 *   "FPTQSEQ1"   u32 length of the header   header, JSON   ids i32[tokens]
 *                blocks: for each, for each layer, keys then values; where all layers have windows, of those
 *                that later rows may read
 *   SHA-256 of all that, 32 bytes
 *
 * Numbers are little-endian. A block is as it lies in memory (`assembly/layouts/layout-kv.ts`).
 */
import { sha256 } from "../../checkpoint/sha256.ts";
import { CheckpointError } from "../../errors.ts";
import { describe, JsonFields, parseJsonObject } from "../../json-object.ts";
import { BLOCK_TOKENS } from "../layers/attention.ts";
import type { KvPrecision } from "../precision.ts";

const MAGIC = "FPTQSEQ1";
const DIGEST_BYTES = 32;
const MAX_HEADER_BYTES = 4096;

/** What bytes must agree with to be continued: the weights, and how keys and values are stored. */
export interface StateFormat {
  /** SHA-256 of weights, configuration and scales of the cache, hexadecimal. */
  readonly model: string;
  readonly kv: KvPrecision;
  readonly layers: number;
  /** Bytes of a block of all layers. */
  readonly blockBytes: number;
  readonly vocabSize: number;
}

export interface SequenceState {
  readonly ids: readonly number[];
  /** Blocks before those that are kept. */
  readonly passed: number;
  /** Whole blocks, one after another. */
  readonly blocks: Uint8Array;
}

export async function packState({ ids, passed, blocks }: SequenceState, format: StateFormat): Promise<Uint8Array<ArrayBuffer>> {
  const { model, kv, layers, blockBytes } = format;
  const fields = { model, k: kv.k, v: kv.v, layers, block_bytes: blockBytes, block_tokens: BLOCK_TOKENS, tokens: ids.length };
  const header = new TextEncoder().encode(JSON.stringify(passed > 0 ? { ...fields, passed_blocks: passed } : fields));
  const begin = MAGIC.length + 4 + header.length;
  const bytes = new Uint8Array(begin + 4 * ids.length + blocks.length + DIGEST_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(MAGIC.length, header.length, true);
  bytes.set(header, MAGIC.length + 4);
  for (const [i, id] of ids.entries()) view.setInt32(begin + 4 * i, id, true);
  bytes.set(blocks, begin + 4 * ids.length);
  bytes.set(await sha256(bytes.subarray(0, -DIGEST_BYTES)), bytes.length - DIGEST_BYTES);
  return bytes;
}

/**
 * @throws CheckpointError for bytes that are no saved sequence, truncated, changed, or of another model,
 * precision or version
 */
export async function unpackState(bytes: Uint8Array, format: StateFormat): Promise<SequenceState> {
  const where = "saved sequence";
  const least = MAGIC.length + 4 + DIGEST_BYTES;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < least || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
    throw new CheckpointError(`${where}: got ${bytes.length} bytes of something else, need bytes that begin with ${MAGIC}`);
  }
  const headerBytes = view.getUint32(MAGIC.length, true);
  const begin = MAGIC.length + 4 + headerBytes;
  if (headerBytes > MAX_HEADER_BYTES || begin + DIGEST_BYTES > bytes.length) {
    throw new CheckpointError(`${where}: got a header of ${headerBytes} bytes in ${bytes.length}, need a whole one`);
  }
  const header = new TextDecoder().decode(bytes.subarray(MAGIC.length + 4, begin));
  const fields = new JsonFields(parseJsonObject(header, where), where);
  const tokens = fields.nonNegativeInteger("tokens");
  const passed = fields.has("passed_blocks") ? fields.nonNegativeInteger("passed_blocks") : 0;
  const blockCount = Math.floor(tokens / BLOCK_TOKENS) - passed;
  if (blockCount < 0) throw new CheckpointError(`${where}: passed_blocks: got ${passed}, need at most those of ${tokens} tokens`);
  need(fields, {
    k: format.kv.k,
    v: format.kv.v,
    layers: format.layers,
    block_bytes: format.blockBytes,
    block_tokens: BLOCK_TOKENS,
    model: format.model,
  });
  const length = begin + 4 * tokens + blockCount * format.blockBytes + DIGEST_BYTES;
  if (bytes.length !== length)
    throw new CheckpointError(`${where}: got ${bytes.length} bytes, need ${length} for ${tokens} tokens`);
  const digest = await sha256(bytes.subarray(0, -DIGEST_BYTES));
  if (digest.some((byte, i) => byte !== bytes[bytes.length - DIGEST_BYTES + i])) {
    throw new CheckpointError(`${where}: got bytes whose SHA-256 is another, need them as they were saved`);
  }
  const ids = Array.from({ length: tokens }, (_, i) => view.getInt32(begin + 4 * i, true));
  const outside = ids.find((id) => id < 0 || id >= format.vocabSize);
  if (outside !== undefined) throw new CheckpointError(`${where}: got token id ${outside}, need 0 to ${format.vocabSize - 1}`);
  return { ids, passed, blocks: bytes.subarray(begin + 4 * tokens, -DIGEST_BYTES) };
}

function need(fields: JsonFields, expected: Readonly<Record<string, string | number>>): void {
  for (const [key, value] of Object.entries(expected)) {
    if (fields.raw(key) === value) continue;
    const what = key === "model" ? "the model it was saved with (another one is loaded)" : describe(value);
    throw new CheckpointError(`${fields.where}: ${key}: got ${describe(fields.raw(key))}, need ${what}`);
  }
}
