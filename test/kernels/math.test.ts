import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertSameBits } from "../oracle/compare.ts";
import { mulberry32 } from "../random.ts";

interface Probe {
  exp_f32(x: number, y: number, count: number): void;
  exp_f32_scalar(x: number, y: number, count: number): void;
  log_f32(x: number, y: number, count: number): void;
  log_f32_scalar(x: number, y: number, count: number): void;
  exp_f64(x: number): number;
  log_f64(x: number): number;
}

/** assembly/math/math.probe.ts, compiled here: no kernel exports these functions by themselves. */
function compileProbe(memory: WebAssembly.Memory): Probe {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const args = [
    "assembly/math/math.probe.ts",
    "--target",
    "simd128",
    "--textFile",
    "build/math-probe.wat",
    "--outFile",
    "build/math-probe.wasm",
  ];
  const { status, stderr } = spawnSync(process.execPath, ["node_modules/assemblyscript/bin/asc.js", ...args], {
    cwd: root,
    encoding: "utf8",
  });
  assert.is(status, 0, stderr);
  const module = new WebAssembly.Module(readFileSync(`${root}/build/math-probe.wasm`));
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Probe;
}

const COUNT = 1 << 16;
const memory = new WebAssembly.Memory({ initial: 16 });
const probe = compileProbe(memory);
const x = new Float32Array(memory.buffer, 65536, COUNT);
const y = new Float32Array(memory.buffer, 65536 + 4 * COUNT, COUNT);
const random = mulberry32(5);
const test = suite("math (seed 5)");

/** exp of each value, by the SIMD function, whose twin must give the same bits. */
function exp(values: ArrayLike<number>): Float32Array {
  x.fill(0);
  x.set(values);
  probe.exp_f32_scalar(x.byteOffset, y.byteOffset, COUNT);
  const twin = y.slice();
  probe.exp_f32(x.byteOffset, y.byteOffset, COUNT);
  assertSameBits(y, twin, "twins of exp");
  return y.slice(0, values.length);
}

/** Distance between neighbouring floats at `value`. */
const ulp = (value: number) => 2 ** Math.max(Math.floor(Math.log2(value)) - 23, -149);

test("exp is within 1 unit in the last place, over every 499th float from -104 to 88.7", () => {
  let worst = 0;
  let at = 0;
  let tested = 0;
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  for (const [first, last] of [
    [0x2f000000, 0x42b16666],
    [0xaf000000, 0xc2d00000],
  ] as const) {
    for (let next = first; next < last;) {
      const values: number[] = [];
      for (; values.length < COUNT && next < last; next += 499) {
        bits[0] = next;
        values.push(float[0]!);
      }
      const actual = exp(values);
      tested += values.length;
      for (let i = 0; i < values.length; i++) {
        const expected = Math.exp(values[i]!);
        const error = Math.abs(actual[i]! - expected) / ulp(expected);
        if (error > worst) [worst, at] = [error, values[i]!];
      }
    }
  }
  console.log(`\nfigure: exp f32: largest error ${worst.toFixed(3)} units in the last place, at ${at}, of ${tested} values`);
  assert.ok(worst <= 1, `${worst} at ${at}`);
});

test("exp at its borders", () => {
  const values = [0, -0, -Infinity, Infinity, -104, -1e30, 88.8, 1e30, 1e-30, -1e-45, Number.NaN];
  assert.equal([...exp(values)], [1, 1, 0, Infinity, 0, 0, Infinity, Infinity, 1, 1, Number.NaN]);
});

test("log is within 2 units in the last place, or 2^-25 near 1, over every 4999th positive normal float", () => {
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  const check = (values: number[]) => {
    x.fill(1);
    x.set(values);
    probe.log_f32_scalar(x.byteOffset, y.byteOffset, COUNT);
    const twin = y.slice();
    probe.log_f32(x.byteOffset, y.byteOffset, COUNT);
    assertSameBits(y, twin, "twins of log");
    for (const [i, value] of values.entries()) {
      const exact = Math.log(value);
      const bound = Math.max(2 * ulp(Math.abs(exact)), 2 ** -25);
      if (Math.abs(y[i]! - exact) > bound) assert.unreachable(`log(${value}): got ${y[i]}, need ${exact} within ${bound}`);
    }
  };
  for (let next = 0x00800000; next < 0x7f800000;) {
    const values: number[] = [];
    for (; values.length < COUNT && next < 0x7f800000; next += 4999) {
      bits[0] = next;
      values.push(float[0]!);
    }
    check(values);
  }
  check(Array.from({ length: COUNT }, () => Math.fround(1 + (random() - 0.5) / 16)));
  check([1, 2, 0.5, Math.fround(Math.SQRT1_2), Math.fround(Math.SQRT2)]);
});

test("exp and log in f64 are within 2 units in the last place", () => {
  for (let i = 0; i < 20000; i++) {
    const a = 1400 * random() - 700;
    assert.ok(Math.abs(probe.exp_f64(a) / Math.exp(a) - 1) <= 2 * 2 ** -52, `exp(${a})`);
    const b = Math.exp(a) * (1 + random());
    const c = i % 2 ? b : 1 + (random() - 0.5) / (1 + i);
    assert.ok(Math.abs(probe.log_f64(c) / Math.log(c) - 1) <= 2 * 2 ** -52, `log(${c})`);
  }
  assert.is(probe.log_f64(1), 0);
  assert.is(probe.log_f64(Infinity), Infinity);
  assert.ok(Number.isNaN(probe.log_f64(Number.NaN)));
});

test.run();
