/** The kernel ABI in three places: names with their tiles, the TypeScript contract, and the exports of every build. */
import { readFileSync, statSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SIMD_BUILDS } from "./kernel-memory.ts";

const test = suite("kernel names");

const BUILDS = {
  scalar: "../../build/fptq-scalar.wasm",
  simd128: "../../dist/wasm/fptq-simd128.wasm",
  ...(SIMD_BUILDS.includes("relaxed") && { relaxed: "../../dist/wasm/fptq-relaxed.wasm" }),
};

function exportsOf(build: keyof typeof BUILDS): WebAssembly.Exports {
  const module = new WebAssembly.Module(readFileSync(new URL(BUILDS[build]!, import.meta.url)));
  return new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 2 }) } }).exports;
}

/** Kernel name to number of parameters, as `src/kernels` declares them. */
function declaredKernels(): Map<string, number> {
  const files = ["kernel-exports.ts", "gradient-exports.ts", "rounding-exports.ts"];
  const source = files.map((file) => readFileSync(new URL(`../../src/kernels/${file}`, import.meta.url), "utf8")).join("\n");
  const declared = new Map<string, number>();
  for (const [, name, parameters] of source.matchAll(/^ {2}(\w+)\(([^)]*)\): \w+;/gm)) {
    declared.set(name!, parameters!.split(":").length - 1);
  }
  for (const [, name, other] of source.matchAll(/^ {2}(\w+): KernelExports\["(\w+)"\];/gm)) {
    declared.set(name!, declared.get(other!) ?? assert.unreachable(`${name}: ${other} is not declared above it`) ?? 0);
  }
  return declared;
}

const declared = declaredKernels();

for (const build of Object.keys(BUILDS) as (keyof typeof BUILDS)[]) {
  test(`${build} exports the kernels that TypeScript sees, with as many parameters`, () => {
    const functions = Object.entries(exportsOf(build)).filter(([, value]) => typeof value === "function");
    const parameters = functions.map(([name, value]) => [name, (value as (...args: number[]) => unknown).length] as const);
    assert.equal(new Map(parameters.toSorted()), new Map([...declared].toSorted()));
  });
}

test("tiles in names are the tiles in the code", () => {
  const { MR, NR, KR } = exportsOf("simd128") as Record<string, WebAssembly.Global>;
  const tiled = [...declared.keys()].flatMap((name) => {
    const match = /^(gemm|gemv)_(f32|qd8|qd14)_f32_(f32w|qb4w|qb4fw|qc8w)_(\d*)x(\d+)c(\d+)$/.exec(name);
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

test("each .wasm file is at most 72 KiB", () => {
  for (const build of ["simd128", "relaxed"]) {
    const { size } = statSync(new URL(`../../dist/wasm/fptq-${build}.wasm`, import.meta.url));
    assert.ok(size <= 73_728, `${build}: ${size} bytes`);
  }
});

test.run();
