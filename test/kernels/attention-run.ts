/** Runs a whole sequence through append and attention in chunks, with everything not written before filled with NaN. */
import { offsetBy } from "../../src/kernels/pointer.ts";
import type { AttentionInput } from "../oracle/attention.ts";
import { KernelMemory, type TestedBuild } from "./kernel-memory.ts";

export interface AttentionRun {
  y: Float32Array;
  untouched: boolean;
}

/**
 * @param chunks lengths of consecutive prefill chunks; the last repeats until T rows are done, and 0 is a call with no rows
 * @param splits boundaries between ranges of work, in heads; in a chunk of several rows they fall in the middle of one
 * @param capacity S of the cache, T by default
 */
export function runAttention(
  build: TestedBuild,
  input: AttentionInput,
  chunks: readonly number[],
  splits: readonly number[] = [],
  capacity = input.T,
): AttentionRun {
  const { qkv, T, H, Hkv, D, window, kScale, vScale, kind } = input;
  const stride = (H + 2 * Hkv) * D;
  const kernels = new KernelMemory(build);
  const { run } = kernels;
  const nan = (bytes: number) => {
    const pointer = kernels.region(bytes);
    new Uint8Array(kernels.memory.buffer).fill(0xff, pointer, pointer + bytes);
    return pointer;
  };
  const [kType, vType] = kind.split("_").map((part) => part.slice(1)) as ["f32" | "qs8", "f32" | "qs8"];
  const x = kernels.put(qkv);
  const k = nan(run[`k_cache_bytes_${kType}`](Hkv, capacity, D));
  const v = nan(run[`v_cache_bytes_${vType}`](Hkv, capacity, D));
  const y = nan(T * H * D * 4);
  const scratch = nan(run.attention_scratch_bytes(T, capacity, D));
  const heads = [0, ...splits, H];

  for (let position = 0, call = 0; position < T; call++) {
    const M = Math.min(chunks[Math.min(call, chunks.length - 1)]!, T - position);
    const row = offsetBy(x, position * stride * 4);
    if (kType === "qs8") run.append_k_qs8(offsetBy(row, H * D * 4), k, position, stride, Hkv, D, capacity, kScale, 0, M);
    else run.append_k_f32(offsetBy(row, H * D * 4), k, position, stride, Hkv, D, capacity, 0, M);
    if (vType === "qs8") run.append_v_qs8(offsetBy(row, (H + Hkv) * D * 4), v, position, stride, Hkv, D, capacity, vScale, 0, M);
    else run.append_v_f32(offsetBy(row, (H + Hkv) * D * 4), v, position, stride, Hkv, D, capacity, 0, M);
    const unit = (h: number) => (h < H ? Math.max(0, h * M - (M >> 1)) : H * M);
    for (let i = 1; i < heads.length; i++) {
      run[`attention_f32_${kind}`](
        row, k, v, offsetBy(y, position * H * D * 4), M, position, stride, H, Hkv, D, capacity,
        window, kScale, vScale, unit(heads[i - 1]!), unit(heads[i]!), scratch,
      ); // prettier-ignore
    }
    position += M;
  }
  return { y: kernels.f32(y, T * H * D), untouched: kernels.untouched() };
}
