/** Kernels over a memory of their own, with regions that know when something wrote past their end. */
import { readFileSync } from "node:fs";
import type { KernelExports } from "../../src/kernels/kernel-table.ts";
import { instantiateKernels } from "../../src/kernels/kernels.ts";
import { STATIC_DATA_BYTES } from "../../src/kernels/memory-plan.ts";
import type { Pointer } from "../../src/kernels/pointer.ts";
import { emulated, type Engine } from "./relaxed-engines.ts";

const CANARY = 0x5a;
const CANARY_BYTES = 64;

/** Builds under test: the scalar twins and the SIMD kernels have the same exports. */
export type TestedBuild = "scalar" | SimdBuild | "relaxed-u8" | "relaxed-s8";
export type SimdBuild = "simd128" | "relaxed" | "relaxed-i16";
const published = (file: string) => new URL(`../../dist/wasm/fptq-${file}.wasm`, import.meta.url);
/** What each build consists of: the published kernels are modules over one memory, the twins one. */
const FILES: Record<TestedBuild, readonly URL[]> = {
  scalar: [new URL("../../build/fptq-scalar.wasm", import.meta.url)],
  simd128: ["simd128", "kept-simd128", "quantizer"].map(published),
  relaxed: ["relaxed", "kept-relaxed", "quantizer"].map(published),
  "relaxed-i16": ["simd128", "relaxed-i16", "kept-simd128", "kept-relaxed-i16", "quantizer"].map(published),
  "relaxed-u8": ["relaxed", "relaxed-u8"].map(published),
  "relaxed-s8": ["relaxed", "relaxed-s8"].map(published),
};

/**
 * The SIMD builds the running engine can compile. `npm run test:relaxed` runs these tests where it can
 * compile all.
 */
export const SIMD_BUILDS: readonly SimdBuild[] = (["simd128", "relaxed", "relaxed-i16"] as const).filter((build) =>
  FILES[build].every((file) => WebAssembly.validate(readFileSync(file))),
);
if (SIMD_BUILDS.length < 2) {
  const reason = `relaxed: Node ${process.versions.node} has no relaxed SIMD`;
  if (process.env["FPTQ_TEST_RELAXED"] === "required") throw new Error(reason);
  console.log(`skip: ${reason}`);
}
const compiled = new Map<string, readonly WebAssembly.Module[]>();

/** The modules of a build, with relaxed dot products as the running engine, or another, computes them. */
export function modulesOn(build: TestedBuild, engine?: Engine): readonly WebAssembly.Module[] {
  const key = engine ? `${build}, ${engine}` : build;
  const modules =
    compiled.get(key) ??
    FILES[build].map((file) => {
      const bytes = readFileSync(file);
      return new WebAssembly.Module(engine && file.pathname.includes("relaxed") ? emulated(bytes, engine) : bytes);
    });
  compiled.set(key, modules);
  return modules;
}

export class KernelMemory {
  readonly memory = new WebAssembly.Memory({ initial: 2 });
  readonly run: KernelExports;
  private end = STATIC_DATA_BYTES;
  private readonly canaries: number[] = [];

  /** @param engine whose relaxed dot products the build's are to be, if not the running one's */
  constructor(build: TestedBuild, engine?: Engine) {
    this.run = instantiateKernels(modulesOn(build, engine), this.memory);
  }

  /**
   * A region of `bytes` at a 16-byte boundary, plus `misalign` bytes, filled with 0xa5 and followed by
   * canaries.
   */
  region(bytes: number, misalign = 0): Pointer {
    const pointer = (((this.end + 15) & ~15) + misalign) as Pointer;
    this.end = pointer + bytes + CANARY_BYTES;
    const missing = this.end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65536));
    const memory = new Uint8Array(this.memory.buffer);
    memory.fill(0xa5, pointer, pointer + bytes);
    memory.fill(CANARY, pointer + bytes, pointer + bytes + CANARY_BYTES);
    this.canaries.push(pointer + bytes);
    return pointer;
  }

  /** A region holding a copy of `values`. */
  put(
    values: Float32Array | Float64Array | Int32Array | Int16Array | Int8Array | Uint16Array | Uint8Array,
    misalign = 0,
  ): Pointer {
    const pointer = this.region(values.byteLength, misalign);
    new Uint8Array(this.memory.buffer).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), pointer);
    return pointer;
  }

  bytes = (pointer: number, count: number) => new Uint8Array(this.memory.buffer.slice(pointer, pointer + count));
  f32 = (pointer: number, count: number) => new Float32Array(this.memory.buffer.slice(pointer, pointer + 4 * count));
  f64 = (pointer: number, count: number) => new Float64Array(this.memory.buffer.slice(pointer, pointer + 8 * count));
  i32 = (pointer: number, count: number) => new Int32Array(this.memory.buffer.slice(pointer, pointer + 4 * count));
  i16 = (pointer: number, count: number) => new Int16Array(this.memory.buffer.slice(pointer, pointer + 2 * count));
  i8 = (pointer: number, count: number) => new Int8Array(this.memory.buffer.slice(pointer, pointer + count));

  /** Whether every canary is intact: nothing was written past the end of a region. */
  untouched(): boolean {
    const memory = new Uint8Array(this.memory.buffer);
    return this.canaries.every((start) => memory.subarray(start, start + CANARY_BYTES).every((byte) => byte === CANARY));
  }
}
