/**
 * Emulated engines compute what their instruction's definition says, for all bytes, and the relaxed build the
 * same on all of them.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { passesSelfTest } from "../../src/kernels/self-test.ts";
import { mulberry32 } from "../random.ts";
import { emulated, type Engine, ENGINES } from "./relaxed-engines.ts";

const test = suite("emulated relaxed SIMD (seed 41)");

/** Both dots of the vectors at 0 and 16; the 32-bit one onto the vector at 32. Results from 48 on. */
const DOTS = `(module (memory (export "memory") 1)
  (func (export "dots")
    (v128.store (i32.const 48) (i32x4.relaxed_dot_i8x16_i7x16_add_s
      (v128.load (i32.const 0)) (v128.load (i32.const 16)) (v128.load (i32.const 32))))
    (v128.store (i32.const 64) (i16x8.relaxed_dot_i8x16_i7x16_s (v128.load (i32.const 0)) (v128.load (i32.const 16))))
    (v128.store (i32.const 80) (i8x16.relaxed_swizzle (v128.load (i32.const 0)) (v128.const i32x4 3 0 15 1)))))`;

function assembled(text: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "fptq-dots-"));
  try {
    const [source, output] = [join(folder, "dots.wat"), join(folder, "dots.wasm")];
    writeFileSync(source, text);
    const tool = fileURLToPath(new URL("../../node_modules/binaryen/bin/wasm-as", import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [tool, source, "--all-features", "-o", output], { encoding: "utf8" });
    assert.is(status, 0, stderr);
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const cut = (value: number) => Math.max(-32768, Math.min(32767, value));
const ofBytes: Record<
  Engine,
  { second: (byte: number) => number; pair: (sum: number) => number; inFour: (sum: number) => number }
> = {
  unsigned: { second: (byte) => byte & 255, pair: cut, inFour: (sum) => sum },
  signed: { second: (byte) => byte, pair: (sum) => (sum << 16) >> 16, inFour: (sum) => sum },
  saturating: { second: (byte) => byte & 255, pair: cut, inFour: cut },
};

const dots = assembled(DOTS);
for (const engine of ENGINES) {
  test(`${engine}: both dots are those of the definition, extremes and wrapping sums included`, () => {
    const { memory, dots: run } = new WebAssembly.Instance(new WebAssembly.Module(emulated(dots, engine))).exports as {
      memory: WebAssembly.Memory;
      dots: () => void;
    };
    const random = mulberry32(41);
    const { second, pair, inFour } = ofBytes[engine];
    const bytes = new Int8Array(memory.buffer);
    const [words, halves] = [new Int32Array(memory.buffer), new Int16Array(memory.buffer)];
    const EXTREMES = [-128, -1, 0, 127];
    for (let round = 0; round < 300; round++) {
      const value = () => (round % 2 ? EXTREMES[Math.floor(4 * random())]! : Math.floor(256 * random()) - 128);
      for (let i = 0; i < 32; i++) bytes[i] = value();
      for (let i = 8; i < 12; i++) words[i] = round % 3 ? Math.floor(2 ** 32 * random()) : 2 ** 31 - 1;
      run();
      const product = (i: number) => bytes[i]! * second(bytes[16 + i]!);
      const sums = Array.from({ length: 8 }, (_, i) => product(2 * i) + product(2 * i + 1));
      assert.equal([...halves.subarray(32, 40)], sums.map(pair));
      const four = (i: number) => (words[8 + i]! + inFour(sums[2 * i]!) + inFour(sums[2 * i + 1]!)) | 0;
      assert.equal([...words.subarray(12, 16)], [0, 1, 2, 3].map(four));
      assert.is(bytes[80], bytes[3]);
    }
  });
}

const relaxed = readFileSync(new URL("../../dist/wasm/fptq-relaxed.wasm", import.meta.url));
for (const engine of ENGINES) {
  test(`${engine}: the relaxed build computes the digest of the scalar twins`, () => {
    assert.ok(passesSelfTest([new WebAssembly.Module(emulated(relaxed, engine))], false));
  });
}

test.run();
