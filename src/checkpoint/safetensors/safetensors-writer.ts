/**
 * The safetensors container, writing: shards planned from names, types and shapes before any data exists,
 * then filled tensor by tensor.
 *
 *   model-0000i-of-0000n.safetensors   at most 24 MiB each, header included, so that edge platforms can host
 *                                      and resume them
 *   model.safetensors.index.json       which tensor is in which shard, and each shard's SHA-256
 *                                      (`safetensors-index.ts`)
 *
 * One tensor is one entry of one shard, as every reader expects; a single tensor above the limit makes a
 * larger shard. The exception, packed weights beside a packed embedding, is `split-tensors.ts`. Same tensors,
 * same bytes: nothing in a file depends on time, machine or order of writing.
 */
import { CheckpointError } from "../../errors.ts";
import type { OutputFolder } from "../byte-source.ts";
import {
  compareText,
  type FileLayout,
  HEADER_FRAME_BYTES,
  headerEntryBytes,
  layOut,
  type Placed,
  type TensorPlan,
} from "./safetensors-layout.ts";
import { INDEX_FILE, tensorBytes } from "./safetensors.ts";
import type { ShardDigest } from "./safetensors-index.ts";
import { createSha256, type Sha256 } from "../sha256.ts";
import { splitTensors } from "./split-tensors.ts";

export type { TensorPlan } from "./safetensors-layout.ts";

export const MAX_SHARD_BYTES = 24 * 2 ** 20;

interface ShardPlan extends FileLayout {
  readonly file: string;
}

/** A shard while tensors of it are still to come. */
interface OpenShard {
  readonly plan: ShardPlan;
  /** Its data, or undefined if it holds one tensor, whose bytes go straight to the file. */
  readonly data: Uint8Array | undefined;
  readonly output: Awaited<ReturnType<OutputFolder["create"]>>;
  readonly digest: Sha256;
  written: number;
}

export interface WriterOptions {
  /** The largest file, in bytes. Default 24 MiB. */
  readonly maxShardBytes?: number | undefined;
}

/**
 * Writes the tensors of one checkpoint. Holds the shards that have begun and are not complete: one, if
 * tensors arrive in the order they were planned in.
 */
export class SafetensorsWriter {
  readonly #folder: OutputFolder;
  readonly #shards: readonly ShardPlan[];
  /**
   * Name given by the caller -> the entries that hold it, in row order (several only if the tensor is split).
   */
  readonly #parts = new Map<string, { shard: ShardPlan; tensor: Placed }[]>();
  /** Name given by the caller -> bytes written so far. */
  readonly #progress = new Map<string, number>();
  readonly #open = new Map<ShardPlan, OpenShard>();
  readonly #digests = new Map<ShardPlan, ShardDigest>();

  /** @throws CheckpointError if two tensors have one name */
  constructor(folder: OutputFolder, tensors: readonly TensorPlan[], { maxShardBytes = MAX_SHARD_BYTES }: WriterOptions = {}) {
    this.#folder = folder;
    const split = splitTensors(tensors, maxShardBytes);
    this.#shards = planShards(split.flatMap(({ parts }) => parts), maxShardBytes); // prettier-ignore
    const places = new Map(
      this.#shards.flatMap((shard) => shard.tensors.map((tensor) => [tensor.name, { shard, tensor }] as const)),
    );
    for (const { name, parts } of split) {
      if (this.#parts.has(name))
        throw new CheckpointError(`${folder.name}: tensor ${name}: got it twice in the plan, need it once`);
      this.#parts.set(name, parts.map((part) => places.get(part.name)!)); // prettier-ignore
      this.#progress.set(name, 0);
    }
  }

  /** Bytes of all tensors, headers not counted. */
  get totalBytes(): number {
    return this.#shards.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
  }

  /** The files to be written and their sizes, the index not among them. */
  get shards(): readonly { readonly file: string; readonly bytes: number }[] {
    return this.#shards.map(({ file, header, dataBytes }) => ({ file, bytes: header.length + dataBytes }));
  }

  /**
   * The next bytes of a tensor, row-major and little-endian: all of it at once, or in pieces of any size, in
   * order. `data` may be reused after the promise resolves. Calls must not overlap.
   *
   * @throws CheckpointError if the tensor was not planned or gets more bytes than planned
   */
  async write(name: string, data: ArrayBufferView): Promise<void> {
    const parts = this.#parts.get(name);
    if (!parts)
      throw new CheckpointError(`${this.#folder.name}: tensor ${name}: got bytes of a tensor outside the plan, need one in it`);
    let bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    let position = this.#progress.get(name)!;
    const size = parts.reduce((sum, { tensor }) => sum + tensor.bytes, 0);
    if (position + bytes.length > size) {
      throw new CheckpointError(
        `${this.#folder.name}: tensor ${name}: got ${position + bytes.length} bytes, need ${size}, as planned`,
      );
    }
    this.#progress.set(name, position + bytes.length);
    for (const { shard, tensor } of parts) {
      if (position < tensor.bytes) {
        const piece = bytes.subarray(0, tensor.bytes - position);
        await this.#writeInto(shard, tensor.offset + position, piece);
        bytes = bytes.subarray(piece.length);
        position += piece.length;
        if (bytes.length === 0) return;
      }
      position -= tensor.bytes;
    }
  }

  /**
   * Writes the index after the last tensor.
   *
   * @returns names of the files written, the index last
   * @throws CheckpointError if a tensor is incomplete
   */
  async finish(): Promise<readonly string[]> {
    for (const [name, parts] of this.#parts) {
      const size = parts.reduce((sum, { tensor }) => sum + tensor.bytes, 0);
      const written = this.#progress.get(name)!;
      if (written !== size)
        throw new CheckpointError(`${this.#folder.name}: tensor ${name}: got ${written} bytes, need ${size}, as planned`);
    }
    // Shards whose tensors are all empty were never begun.
    for (const shard of this.#shards) if (shard.dataBytes === 0) await this.#writeInto(shard, 0, new Uint8Array());
    const weightMap = this.#shards.flatMap(({ file, tensors }) => tensors.map(({ name }) => [name, file] as const));
    const index = {
      metadata: {
        total_size: this.totalBytes,
        shards: Object.fromEntries(this.#shards.map((shard) => [shard.file, this.#digests.get(shard)!])),
      },
      weight_map: Object.fromEntries(weightMap.toSorted(([a], [b]) => compareText(a, b))),
    };
    const output = await this.#folder.create(INDEX_FILE);
    await output.write(new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`));
    await output.close();
    return [...this.#shards.map(({ file }) => file), INDEX_FILE];
  }

  async #writeInto(plan: ShardPlan, offset: number, bytes: Uint8Array): Promise<void> {
    let shard = this.#open.get(plan);
    if (!shard) {
      const output = await this.#folder.create(plan.file);
      await output.write(plan.header);
      const digest = createSha256();
      digest.update(plan.header);
      const data = plan.tensors.length === 1 ? undefined : new Uint8Array(plan.dataBytes);
      this.#open.set(plan, (shard = { plan, output, data, digest, written: 0 }));
    }
    if (shard.data) shard.data.set(bytes, offset);
    else {
      shard.digest.update(bytes);
      await shard.output.write(bytes);
    }
    shard.written += bytes.length;
    if (shard.written < plan.dataBytes) return;
    this.#open.delete(plan);
    if (shard.data) {
      shard.digest.update(shard.data);
      await shard.output.write(shard.data);
    }
    await shard.output.close();
    this.#digests.set(plan, { bytes: plan.header.length + plan.dataBytes, sha256: shard.digest.hex() });
  }
}

/** Shards filled in the order given, the next one begun where a tensor no longer fits. */
function planShards(tensors: readonly TensorPlan[], maxShardBytes: number): ShardPlan[] {
  const shards: TensorPlan[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const need = tensorBytes(tensor.type, tensor.shape) + headerEntryBytes(tensor);
    if (shards.length === 0 || need > room) {
      shards.push([]);
      room = maxShardBytes - HEADER_FRAME_BYTES;
    }
    shards.at(-1)!.push(tensor);
    room -= need;
  }
  return shards.map((shard, i) => Object.assign(layOut(shard), { file: shardFileName(i, shards.length) }));
}

/** The name Hugging Face gives to shard `i` of `count`, counted from 1 there. */
function shardFileName(i: number, count: number): string {
  return `model-${fiveDigits(i + 1)}-of-${fiveDigits(count)}.safetensors`;
}

function fiveDigits(n: number): string {
  return String(n).padStart(5, "0");
}
