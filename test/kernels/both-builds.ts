/** Runs a kernel in every SIMD build and in its scalar twin, and demands the same bytes of all. */
import * as assert from "uvu/assert";
import { KernelMemory, SIMD_BUILDS } from "./kernel-memory.ts";

type Result = Float32Array | Float64Array | Int32Array;

/**
 * @param run fills regions of the memory, runs a kernel there and returns what it wrote
 * @returns what every build wrote
 * @throws an assertion error where a byte differs between the builds, or was written past the end of a region
 */
export function onBothBuilds<T extends Result>(what: string, run: (kernels: KernelMemory) => T): T {
  const [scalar, ...simd] = (["scalar", ...SIMD_BUILDS] as const).map((build) => {
    const kernels = new KernelMemory(build);
    const result = run(kernels);
    assert.ok(kernels.untouched(), `${what}: ${build} wrote past the end of a region`);
    return { build, result };
  });
  for (const { build, result } of simd) assertSame(result, scalar!.result, `${what}: ${build}`);
  return simd[0]!.result;
}

function assertSame(simd: Result, scalar: Result, what: string): void {
  assert.is(simd.length, scalar.length, `${what}: length`);
  const wide = simd.BYTES_PER_ELEMENT / 4;
  const [a, b] = [simd, scalar].map((values) => new Uint32Array(values.buffer, values.byteOffset, values.byteLength / 4));
  const differs = a!.findIndex((bits, i) => bits !== b![i]);
  if (differs >= 0) {
    const i = Math.floor(differs / wide);
    assert.unreachable(`${what}: differs from its twin at ${i}: ${simd[i]}, scalar ${scalar[i]}`);
  }
}

/** `count` values drawn from `next`. */
export const fill = (count: number, next: () => number) => Float32Array.from({ length: count }, next);
