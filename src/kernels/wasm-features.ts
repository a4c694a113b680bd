/**
 * Which features of WebAssembly an engine has: those the kernels are compiled to, those they could use, and
 * 64-bit memories.
 */
import { bulkMemory, memory64, mutableGlobals, relaxedSimd, saturatedFloatToInt, signExtensions, simd, threads } from "wasm-feature-detect"; // prettier-ignore

const DETECTORS = { simd, relaxedSimd, threads, bulkMemory, saturatedFloatToInt, signExtensions, mutableGlobals, memory64 };

/** Names of the proposals, as `wasm-feature-detect` has them. */
export type WasmFeature = keyof typeof DETECTORS;

/**
 * What the engine validates. That it computes relaxed SIMD right is for the self-test to say; "threads" also
 * means that memory can be posted.
 */
export async function wasmFeatures(): Promise<Record<WasmFeature, boolean>> {
  const found = Object.entries(DETECTORS).map(async ([name, detect]) => [name, await detect()] as const);
  return Object.fromEntries(await Promise.all(found)) as Record<WasmFeature, boolean>;
}
