/** Runs a kernel in the SIMD build and in its scalar twin, and demands the same bytes of both. */
import * as assert from "uvu/assert";
import { KernelMemory, type TestedBuild } from "./kernel-memory.ts";

type Result = Float32Array | Float64Array | Int32Array;

/**
 * @param run fills regions of the memory, runs a kernel there and returns what it wrote
 * @returns the SIMD build's result
 * @throws an assertion error where a byte differs between the builds, or was written past the end of a region
 */
export function onBothBuilds<T extends Result>(what: string, run: (kernels: KernelMemory) => T): T {
  const results = (["scalar", "simd128"] satisfies TestedBuild[]).map((build) => {
    const kernels = new KernelMemory(build);
    const result = run(kernels);
    assert.ok(kernels.untouched(), `${what}: ${build} wrote past the end of a region`);
    return result;
  });
  const [scalar, simd] = results as [T, T];
  assert.is(simd.length, scalar.length, `${what}: length`);
  const wide = simd.BYTES_PER_ELEMENT / 4;
  const [a, b] = [simd, scalar].map((values) => new Uint32Array(values.buffer, values.byteOffset, values.byteLength / 4));
  const differs = a!.findIndex((bits, i) => bits !== b![i]);
  if (differs >= 0) {
    const i = Math.floor(differs / wide);
    assert.unreachable(`${what}: twins differ at ${i}: simd128 ${simd[i]}, scalar ${scalar[i]}`);
  }
  return simd;
}

/** `count` values drawn from `next`. */
export const fill = (count: number, next: () => number) => Float32Array.from({ length: count }, next);
