/**
 * The kernel table against what it speaks of: the exports of every build, the tiles in the code, the files
 * and their sizes.
 */
import { readFileSync, statSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type KernelExports,
  type KernelName,
  KERNELS,
  moduleOf,
  SPLIT_KERNELS,
  takenUnits,
} from "../../src/kernels/kernel-table.ts";
import { STATIC_DATA_BYTES } from "../../src/kernels/memory-plan.ts";
import type { Pointer } from "../../src/kernels/pointer.ts";
import type { Arguments, KernelRow } from "../../src/kernels/table/kernel-arguments.ts";
import { INFERENCE_KERNELS } from "../../src/kernels/table/inference-kernels.ts";
import { KEPT_KERNELS } from "../../src/kernels/table/kept-kernels.ts";
import { QUANTIZER_KERNELS } from "../../src/kernels/table/quantizer-kernels.ts";
import { SIMD_BUILDS } from "./kernel-memory.ts";

const test = suite("kernel names");

type Rows = Readonly<Record<string, KernelRow>>;
const BUILDS: Record<string, { file: string; rows: Rows }> = {
  scalar: { file: "build/fptq-scalar.wasm", rows: KERNELS },
  simd128: { file: "dist/wasm/fptq-simd128.wasm", rows: INFERENCE_KERNELS },
  ...(SIMD_BUILDS.includes("relaxed") && { relaxed: { file: "dist/wasm/fptq-relaxed.wasm", rows: INFERENCE_KERNELS } }),
  "kept-simd128": { file: "dist/wasm/fptq-kept-simd128.wasm", rows: KEPT_KERNELS },
  ...(SIMD_BUILDS.includes("relaxed") && {
    "kept-relaxed": { file: "dist/wasm/fptq-kept-relaxed.wasm", rows: KEPT_KERNELS },
  }),
  quantizer: { file: "dist/wasm/fptq-quantizer.wasm", rows: QUANTIZER_KERNELS },
};
const url = (file: string) => new URL(`../../${file}`, import.meta.url);

function exportsOf(file: string, memory = new WebAssembly.Memory({ initial: 2 })): WebAssembly.Exports {
  const module = new WebAssembly.Module(readFileSync(url(file)));
  return new WebAssembly.Instance(module, { env: { memory } }).exports;
}

/** Parameters of a row's kernel: what it works on, then the range of units, then scratch. */
const parametersOf = ({ args, units, scratch }: KernelRow) => args.split(" ").length + (units ? 2 : 0) + (scratch ? 1 : 0);

for (const [build, { file, rows }] of Object.entries(BUILDS)) {
  test(`${build} exports the kernels of the table, with as many parameters`, () => {
    const functions = Object.entries(exportsOf(file)).filter(([, value]) => typeof value === "function");
    const found = functions.map(([name, value]) => [name, (value as (...args: number[]) => unknown).length] as const);
    const stated = Object.entries(rows).map(([name, row]) => [name, parametersOf(row)] as const);
    assert.equal(new Map(found.toSorted()), new Map(stated.toSorted()));
  });
}

/**
 * Does not compile where an argument has a name that `Arguments` lacks, or `Arguments` has one that no kernel
 * takes.
 */
type Words<Text extends string> = Text extends `${infer First} ${infer Rest}` ? First | Words<Rest> : Text;
type Used = Words<(typeof KERNELS)[KernelName]["args"]> | "begin" | "end" | "scratch";
const nothing = <T extends never>(): T[] => [];

test("the table is whole", () => {
  assert.equal([...nothing<Exclude<Used, keyof Arguments>>(), ...nothing<Exclude<keyof Arguments, Used>>()], []);
  const names = [INFERENCE_KERNELS, QUANTIZER_KERNELS, KEPT_KERNELS].flatMap((rows) => Object.keys(rows));
  assert.is(new Set(names).size, names.length, "in two modules");
  assert.is(moduleOf("gram_f64_f32"), "quantizer");
  assert.is(moduleOf("pack_qb8w"), "kept");
  assert.is(moduleOf("add_f32"), "inference");
});

/** Does not compile if a count is taken for an address. */
// @ts-expect-error: x and K are swapped
const swapped = (run: KernelExports, x: Pointer, y: Pointer, K: number) => run.add_f32(K, y, x, 0, 1);
void swapped;

test("kernels with units are shared, and only attention's last ones are taken", () => {
  const units = Object.entries(KERNELS).filter(([, row]) => "units" in row);
  assert.equal(SPLIT_KERNELS, units.map(([name]) => name)); // prettier-ignore
  assert.ok(SPLIT_KERNELS.length > 30);
  for (const name of SPLIT_KERNELS) assert.is(takenUnits(name), name.startsWith("attention_f32_k") ? 32 : 0, name);
});

test("tiles in names are the tiles in the code", () => {
  const { MR, NR, KR } = exportsOf("dist/wasm/fptq-simd128.wasm") as Record<string, WebAssembly.Global>;
  const tiled = Object.keys(KERNELS).flatMap((name) => {
    const match = /^(gemm|gemv)_(f32|qd8|qd14)_f32_(f32w|qb4w|qb4fw|qb4zw|qb4mw|qb4aw|qb8w|qb8aw|qc8w)_(\d*)x(\d+)c(\d+)$/.exec(
      name,
    );
    assert.is(match !== null, /^gem[mv]_/.test(name), `${name}: the grammar of docs/kernels.md`);
    return match ? [{ name, op: match[1], activation: match[2], rows: match[4], tile: match.slice(5).map(Number) }] : [];
  });
  assert.ok(tiled.length >= 7, "names were not found");
  for (const { name, op, activation, rows, tile } of tiled) {
    // A GEMV has one row by definition; a GEMM names its rows where they are the same in every build.
    assert.is(rows, op === "gemv" ? "1" : activation === "f32" ? "4" : "", `${name}: rows`);
    // Floats need no KR: each k is a term of its own.
    assert.equal(tile, [NR!.value, activation === "f32" ? 1 : KR!.value], name);
  }
  assert.is(MR!.value, 4, "rows of the simd128 tile, docs/kernels.md");
});

test("the modules' own data lie apart, below what a plan gives out", () => {
  const places = {
    simd128: [0, STATIC_DATA_BYTES / 2],
    quantizer: [STATIC_DATA_BYTES / 2, (STATIC_DATA_BYTES / 4) * 3],
    "kept-simd128": [(STATIC_DATA_BYTES / 4) * 3, STATIC_DATA_BYTES],
  } as const;
  for (const [build, [begin, end]] of Object.entries(places)) {
    const memory = new WebAssembly.Memory({ initial: 2 });
    const bytes = new Uint8Array(memory.buffer).fill(0xa5);
    exportsOf(BUILDS[build]!.file, memory);
    const outside = bytes.findIndex((byte, i) => byte !== 0xa5 && (i < begin || i >= end));
    assert.is(outside, -1, `${build}: data at ${outside}`);
  }
});

/**
 * What a page or a Worker loads is one of the first two; one of the next two, and beside a form the third,
 * where weights are kept as a file has them; the last where something is quantized.
 */
const MOST_KIB = { simd128: 64, relaxed: 64, "kept-simd128": 32, "kept-relaxed": 46, "kept-relaxed-i16": 33, quantizer: 20 };

for (const [build, kibibytes] of Object.entries(MOST_KIB)) {
  test(`${build}: at most ${kibibytes} KiB`, () => {
    const { size } = statSync(url(`dist/wasm/fptq-${build}.wasm`));
    assert.ok(size <= 1024 * kibibytes, `${size} bytes`);
  });
}

test.run();
