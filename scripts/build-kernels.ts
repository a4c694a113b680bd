/**
 * Builds the kernels: asc, then wasm-opt; those that run a model once for each instruction set, further forms
 * of some of them for engines that compute these faster, those that only quantizing needs once.
 * `src/kernels/shared-memory.ts` makes the builds for shared memory of these.
 *
 *   assembly/index.ts          -> build/fptq-<build>.wasm    -> dist/wasm/fptq-<build>.wasm
 *   assembly/kept.ts           -> the same, fptq-kept-<build>.wasm
 *   assembly/relaxed-i16.ts    -> the same, fptq-relaxed-i16.wasm
 *   assembly/kept-relaxed-i16.ts -> the same, fptq-kept-relaxed-i16.wasm
 *   assembly/relaxed-bytes.ts  -> the same, fptq-relaxed-u8.wasm and fptq-relaxed-s8.wasm
 *   assembly/probe.ts          -> the same, fptq-probe.wasm
 *   assembly/quantizer.ts      -> the same, fptq-quantizer.wasm
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** wasm-opt is told each feature a build may use, so that it refuses what the build must not contain. */
const BUILDS: Record<string, string[]> = {
  simd128: ["--enable-simd"],
  relaxed: ["--enable-simd", "--enable-relaxed-simd"],
};
/** Further forms: the entry of each. Their constants stand in `asconfig.json`. */
const FORMS: Record<string, string> = {
  "relaxed-i16": "assembly/relaxed-i16.ts",
  "relaxed-u8": "assembly/relaxed-bytes.ts",
  "relaxed-s8": "assembly/relaxed-bytes.ts",
  probe: "assembly/probe.ts",
};
/**
 * No kernel that quantizes has products of 8-bit integers, so the relaxed build of these would be the same
 * file, byte for byte. Modules used over one memory have their static data in parts of `STATIC_DATA_BYTES`
 * (`src/kernels/memory-plan.ts`): the first one in the lower half, the others in a quarter each.
 */
const QUANTIZER = ["--target", "simd128", "--memoryBase", "32768"];
const KEPT = ["--memoryBase", "49152"];
/** The scalar twins, for tests only: same exports, no SIMD, no wasm-opt. */
const SCALAR = ["assembly/scalar/index.ts", "--target", "scalar"];
/** What the machine can do at best, for `npm run bench` only. */
const LIMITS = { ...BUILDS, "relaxed-i16": BUILDS["relaxed"]! };

/**
 * asc leaves all optimizing to wasm-opt (`optimizeLevel` 0 in asconfig.json). Both would otherwise fold the
 * arms of a kernel's dispatch, equal but for the literal number of rows, into one body that asks for the
 * number in every step.
 */
const OPTIMIZE = ["-O4", "--converge", "--skip-pass=code-folding"];

/** asc emits these two by default; every engine with SIMD has them. */
const BASELINE = ["--enable-bulk-memory", "--enable-nontrapping-float-to-int", "--enable-sign-ext", "--enable-mutable-globals"];

function run(tool: string, args: string[]): void {
  const { status, error } = spawnSync(process.execPath, [`node_modules/${tool}`, ...args], { cwd: root, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${tool} ${args.join(" ")}: exit ${status}`);
}

mkdirSync(`${root}/build`, { recursive: true });
// Everything here is published: no build of an earlier version may stay behind.
rmSync(`${root}/dist/wasm`, { recursive: true, force: true });
mkdirSync(`${root}/dist/wasm`, { recursive: true });
run("assemblyscript/bin/asc.js", SCALAR);
for (const [build, features] of Object.entries(LIMITS)) {
  const output = `build/limits-${build}.wasm`;
  run("assemblyscript/bin/asc.js", [
    "assembly/limits.probe.ts",
    "--target",
    build,
    "-o",
    output,
    "-t",
    `build/limits-${build}.wat`,
  ]);
  run("binaryen/bin/wasm-opt", [output, ...OPTIMIZE, ...BASELINE, ...features, "-o", output]);
}
for (const [build, features] of Object.entries(BUILDS)) {
  compile(build, "assembly/index.ts", ["--target", build], features);
  compile(`kept-${build}`, "assembly/kept.ts", ["--target", build, ...KEPT], features);
}
for (const [form, source] of Object.entries(FORMS)) compile(form, source, ["--target", form], BUILDS["relaxed"]!);
compile("kept-relaxed-i16", "assembly/kept-relaxed-i16.ts", ["--target", "relaxed-i16", ...KEPT], BUILDS["relaxed"]!);
compile("quantizer", "assembly/quantizer.ts", QUANTIZER, BUILDS["simd128"]!);

function compile(name: string, source: string, options: string[], features: string[]): void {
  const [unoptimized, output] = [`build/fptq-${name}.wasm`, `dist/wasm/fptq-${name}.wasm`];
  run("assemblyscript/bin/asc.js", [source, ...options, "-o", unoptimized, "-t", `build/fptq-${name}.wat`]);
  run("binaryen/bin/wasm-opt", [unoptimized, ...OPTIMIZE, ...BASELINE, ...features, "-o", output]);
  console.log(`${output}: ${(statSync(`${root}/${output}`).size / 1024).toFixed(1)} KiB`);
}
