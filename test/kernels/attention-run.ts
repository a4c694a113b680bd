/** Runs whole sequences through append and attention, some rows a call; what is not written before is NaN. */
import { NULL, offsetBy } from "../../src/kernels/pointer.ts";
import type { AttentionInput, AttentionKind } from "../oracle/attention.ts";
import { KernelMemory, type TestedBuild } from "./kernel-memory.ts";

export interface AttentionRun {
  y: Float32Array;
  untouched: boolean;
}

/** A sequence that begins as another one did. */
export interface Fork {
  /** Index of the other, whose first `tokens` rows are appended before this one's next. */
  of: number;
  tokens: number;
}

interface SequencesOptions {
  /**
   * Boundaries between ranges of work, in heads; in a call of several rows they fall in the middle of one.
   */
  splits?: readonly number[];
  /** S, the longest sequence by default. */
  capacity?: number;
  /** One for each sequence; undefined where it is none. */
  forks?: readonly (Fork | undefined)[];
}

/** Queries sharp enough that some rows attend to few tokens and others to many. */
export function sharpInput(
  gaussian: () => number,
  kind: AttentionKind,
  shape: Partial<Omit<AttentionInput, "qkv" | "kind">>,
): AttentionInput {
  const { T, H, Hkv, D } = { T: 71, H: 9, Hkv: 3, D: 64, ...shape };
  const stride = (H + 2 * Hkv) * D;
  const qkv = Float32Array.from({ length: T * stride }, gaussian);
  for (let p = 0; p < T; p++) for (let i = 0; i < H * D; i++) qkv[p * stride + i]! *= 1 + (p % 3);
  return { window: 0, ...shape, qkv, T, H, Hkv, D, kScale: 4 / 127, vScale: 3.5 / 127, kind };
}

/** f32[H]: the slopes of Press et al. 2022 for a power of two heads, and as steep for others. */
export const alibiSlopes = (H: number) => Float32Array.from({ length: H }, (_, h) => 2 ** ((-8 * (h + 1)) / H));

/** Tokens of a block of the pool. */
const BLOCK = 64;

/**
 * One sequence.
 * @param chunks lengths of consecutive prefill chunks; the last repeats until T rows are done, and 0 is a
 *   call with no rows
 */
export function runAttention(
  build: TestedBuild,
  input: AttentionInput,
  chunks: readonly number[],
  splits: readonly number[] = [],
  capacity = input.T,
): AttentionRun {
  const calls: number[][] = [];
  for (let position = 0; position < input.T;) {
    const M = Math.min(chunks[Math.min(calls.length, chunks.length - 1)]!, input.T - position);
    calls.push([M]);
    position += M;
  }
  const { y, untouched } = runSequences(build, [input], calls, { splits, capacity });
  return { y: y[0]!, untouched };
}

/**
 * Several sequences over the same pools, their blocks scattered in them.
 * @param inputs all of one shape but for T
 * @param calls of each call, how many rows of each sequence it takes
 * @returns y of each sequence, f32[T, H * D]; 0 where a fork did not run
 */
export function runSequences(
  build: TestedBuild,
  inputs: readonly AttentionInput[],
  calls: readonly (readonly number[])[],
  { splits = [], forks = [], capacity = Math.max(...inputs.map(({ T }) => T)) }: SequencesOptions,
): { y: Float32Array[]; untouched: boolean } {
  const { H, Hkv, D, window, kScale, vScale, kind, slopes, divisor = Math.sqrt(D), cap = 0, bothWays = false } = inputs[0]!;
  const stride = (H + 2 * Hkv) * D;
  const kernels = new KernelMemory(build);
  const { run } = kernels;
  const nan = (bytes: number) => {
    const pointer = kernels.region(bytes);
    new Uint8Array(kernels.memory.buffer).fill(0xff, pointer, pointer + bytes);
    return pointer;
  };
  const [kType, vType] = kind.split("_").map((part) => part.slice(1)) as ["f32" | "qs8" | "qd8", "f32" | "qs8" | "qd8"];
  const tables = scatteredTables(
    inputs.map(({ T }) => T),
    forks,
  );
  // One block more than there are, so that some lie between those of no one.
  const tokens = BLOCK * (2 + Math.max(...tables.flatMap((table) => [...table])));
  const kBytes = run[`k_cache_bytes_${kType}`](Hkv, tokens, D);
  const vBytes = run[`v_cache_bytes_${vType}`](Hkv, tokens, D);
  const [k, v] = [nan(kBytes), nan(vBytes)];
  const tableAt = tables.map((table) => kernels.put(table));
  const slopesAt = slopes ? kernels.put(slopes) : NULL;
  const most = Math.max(...calls.map((rows) => rows.reduce((sum, M) => sum + M, 0)));
  const [x, rowsAt, yAt] = [nan(4 * most * stride), nan(12 * most), nan(4 * most * H * D)];
  const scratch = nan(run.attention_scratch_bytes(most, capacity, D));
  const positions = inputs.map((_, i) => forks[i]?.tokens ?? 0);
  const y = inputs.map(({ T }) => new Float32Array(T * H * D));
  const started = inputs.map((_, i) => forks[i] === undefined);
  const heads = [0, ...splits, H];

  for (const call of calls) {
    const rows = call.flatMap((count, sequence) =>
      Array.from({ length: count }, (_, i) => ({ sequence, position: positions[sequence]! + i })),
    );
    call.forEach((count, sequence) => {
      positions[sequence]! += count;
      if (count === 0 || started[sequence]) return;
      started[sequence] = true;
      copyLastBlock(kernels, k, kBytes / (tokens / BLOCK), tables, sequence, forks[sequence]!);
      copyLastBlock(kernels, v, vBytes / (tokens / BLOCK), tables, sequence, forks[sequence]!);
    });
    const M = rows.length;
    rows.forEach(({ sequence, position }, m) => {
      const source = inputs[sequence]!.qkv.subarray(position * stride, (position + 1) * stride);
      new Float32Array(kernels.memory.buffer, x + 4 * m * stride, stride).set(source);
      const table = new Int32Array(kernels.memory.buffer, rowsAt, 3 * M);
      table.set([position, tableAt[sequence]!], 2 * m);
      table[2 * M + m] = bothWays ? inputs[sequence]!.T : position + 1;
    });
    const [kAt, vAt] = [offsetBy(x, 4 * H * D), offsetBy(x, 4 * (H + Hkv) * D)];
    if (kType === "qs8") run.append_k_qs8(kAt, k, rowsAt, stride, Hkv, D, kScale, 0, M);
    else run[`append_k_${kType}`](kAt, k, rowsAt, stride, Hkv, D, 0, M);
    if (vType === "qs8") run.append_v_qs8(vAt, v, rowsAt, stride, Hkv, D, vScale, 0, M);
    else run[`append_v_${vType}`](vAt, v, rowsAt, stride, Hkv, D, 0, M);
    const unit = (h: number) => (h < H ? Math.max(0, h * M - (M >> 1)) : H * M);
    for (let i = 1; i < heads.length; i++) {
      run[`attention_f32_${kind}`](
        x, k, v, yAt, rowsAt, slopesAt, M, stride, H, Hkv, D, capacity,
        window, divisor, cap, kScale, vScale, unit(heads[i - 1]!), unit(heads[i]!), scratch,
      ); // prettier-ignore
    }
    const written = kernels.f32(yAt, M * H * D);
    rows.forEach(({ sequence, position }, m) => {
      y[sequence]!.set(written.subarray(m * H * D, (m + 1) * H * D), position * H * D);
    });
  }
  return { y, untouched: kernels.untouched() };
}

/**
 * Block tables that take numbers in turn from the pool's end, leaving some to nobody. A fork shares whole
 * blocks.
 */
function scatteredTables(lengths: readonly number[], forks: readonly (Fork | undefined)[]): Int32Array[] {
  const tables = lengths.map((T) => new Int32Array(Math.ceil(T / BLOCK)));
  const longest = Math.max(...tables.map((table) => table.length));
  let next = 2 * longest * tables.length;
  for (let b = 0; b < longest; b++) {
    for (const table of tables) if (b < table.length) table[b] = next -= next % 3 === 0 ? 2 : 1;
  }
  forks.forEach((fork, i) => {
    if (fork) tables[i]!.set(tables[fork.of]!.subarray(0, Math.floor(fork.tokens / BLOCK)));
  });
  return tables;
}

/** The tokens of a block that a fork shares in part become its own. */
function copyLastBlock(
  { memory }: KernelMemory,
  pool: number,
  blockBytes: number,
  tables: readonly Int32Array[],
  sequence: number,
  { of, tokens }: Fork,
): void {
  if (tokens % BLOCK === 0) return;
  const from = pool + tables[of]![Math.floor(tokens / BLOCK)]! * blockBytes;
  const to = pool + tables[sequence]![Math.floor(tokens / BLOCK)]! * blockBytes;
  new Uint8Array(memory.buffer).copyWithin(to, from, from + blockBytes);
}
