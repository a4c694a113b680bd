/**
 * Engines of each kind this machine may not be. The relaxed dot products multiply a signed byte by one in
 * 0..127; what they make of a larger one is the engine's choice, and kernels that rest on one choice can be
 * tested anywhere only if the dots are computed, by plain SIMD, as each kind of engine computes them.
 *
 *   unsigned     the second operand is 0..255: x64 with AVX-VNNI (vpdpbusd); its 16-bit dot saturates
 *                (pmaddubsw)
 *   signed       the second operand is -128..127: Arm with dotprod (sdot); its 16-bit dot wraps (smull, addp)
 *   saturating   0..255, but each sum of two products is cut to 16 bits first: x64 without VNNI (pmaddubsw,
 *                pmaddwd, paddd)
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { textOf } from "./disassembly.ts";

export const ENGINES = ["unsigned", "signed", "saturating"] as const;
export type Engine = (typeof ENGINES)[number];

/** Sums of two neighbouring products in $low and $high, i32 each, of the bytes of $a and $b. */
const pairs = (extend: "u" | "s") => `
  (local $low v128) (local $high v128)
  (local.set $low (i32x4.dot_i16x8_s
    (i16x8.extend_low_i8x16_s (local.get $a)) (i16x8.extend_low_i8x16_${extend} (local.get $b))))
  (local.set $high (i32x4.dot_i16x8_s
    (i16x8.extend_high_i8x16_s (local.get $a)) (i16x8.extend_high_i8x16_${extend} (local.get $b))))`;
const SATURATED = "(i16x8.narrow_i32x4_s (local.get $low) (local.get $high))";
const WRAPPED = "(i8x16.shuffle 0 1 4 5 8 9 12 13 16 17 20 21 24 25 28 29 (local.get $low) (local.get $high))";
const FOURS = `(i32x4.add
    (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $low) (local.get $high))
    (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $low) (local.get $high)))`;

/** Both dots: how the second operand is read, what a 16-bit lane becomes, what a 32-bit one gains. */
const DOTS: Record<Engine, [extend: "u" | "s", pair: string, four: string]> = {
  unsigned: ["u", SATURATED, FOURS],
  signed: ["s", WRAPPED, FOURS],
  saturating: ["u", SATURATED, `(i32x4.extadd_pairwise_i16x8_s ${SATURATED})`],
};

const DOT_I16 = "$emulated_dot_i16";
const DOT_I32 = "$emulated_dot_i32";
function functionsOf(engine: Engine): string {
  const [extend, pair, four] = DOTS[engine];
  return `
(func ${DOT_I16} (param $a v128) (param $b v128) (result v128) ${pairs(extend)}
  ${pair})
(func ${DOT_I32} (param $a v128) (param $b v128) (param $c v128) (result v128) ${pairs(extend)}
  (i32x4.add (local.get $c) ${four}))
`;
}

/** What becomes of each relaxed instruction. The lookup of kernels has indices in 0..15 only. */
const REPLACED: Record<string, string> = {
  "(i16x8.relaxed_dot_i8x16_i7x16_s": `(call ${DOT_I16}`,
  "(i32x4.relaxed_dot_i8x16_i7x16_add_s": `(call ${DOT_I32}`,
  "(i8x16.relaxed_swizzle": "(i8x16.swizzle",
};
const FEATURES = ["simd", "bulk-memory", "nontrapping-float-to-int", "sign-ext", "mutable-globals"];

/** Modules made so far, by their source's bytes and the engine: assembling one takes a second. */
const made = new Map<string, Uint8Array<ArrayBuffer>>();

/**
 * A module with the same exports whose relaxed dot products are those of `engine`. It has no relaxed
 * instruction: whatever runs SIMD runs it.
 * @throws Error if the module has relaxed instructions other than those of kernels
 */
export function emulated(module: Uint8Array, engine: Engine): Uint8Array<ArrayBuffer> {
  const key = engine + Buffer.from(module).toString("latin1");
  const result = made.get(key) ?? assemble(module, engine);
  made.set(key, result);
  return result;
}

function assemble(module: Uint8Array, engine: Engine): Uint8Array<ArrayBuffer> {
  const folder = mkdtempSync(join(tmpdir(), "fptq-engine-"));
  try {
    const [source, text, output] = ["source.wasm", "emulated.wat", "emulated.wasm"].map((name) => join(folder, name));
    writeFileSync(source!, module);
    let wat = textOf(pathToFileURL(source!));
    for (const [from, to] of Object.entries(REPLACED)) wat = wat.replaceAll(from, to);
    const end = wat.lastIndexOf(")");
    writeFileSync(text!, wat.slice(0, end) + functionsOf(engine) + wat.slice(end));
    const tool = fileURLToPath(new URL("../../node_modules/binaryen/bin/wasm-as", import.meta.url));
    const features = FEATURES.map((name) => `--enable-${name}`);
    const { status, stderr } = spawnSync(process.execPath, [tool, text!, ...features, "-o", output!], { encoding: "utf8" });
    if (status !== 0) throw new Error(`wasm-as: exit ${status}: ${stderr}`);
    return new Uint8Array(readFileSync(output!));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
