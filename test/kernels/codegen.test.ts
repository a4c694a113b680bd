/**
 * The code that ships is the code that was meant: no kernel leaves its loops for a call or keeps state in a global, and the steps of the
 * linear layers hold the instructions their tile says. A tile argument that is no longer folded, or an `@inline` that no longer inlines,
 * changes no result and costs half of the speed; here it fails, without a clock.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { disassemble, type Loop, loopsOf } from "./disassembly.ts";

/** Kernels that may call from a loop, and why that costs nothing there. */
const CALLS_FROM_LOOPS: Record<string, string> = {
  attention_f32_kf32_vf32: "one call for each head and block of tokens",
  attention_f32_kqs8_vqs8: "one call for each head and block of tokens",
  attention_f32_kqs8_vf32: "one call for each head and block of tokens",
  attention_f32_kf32_vqs8: "one call for each head and block of tokens",
};

interface Step {
  /** The products that mark a step of k, and what adds them up. */
  multiply: string;
  add: string;
  /** Of each innermost loop with such products: vectors of weights loaded, activations broadcast, products, sums. */
  loops: [weights: number, activations: number, products: number, sums: number][];
}

/** Each row meets both vectors of a panel's channels. */
const fourRowsToOne: Step["loops"] = [4, 3, 2, 1].map((rows) => [2, rows, 2 * rows, 2 * rows]);
const INTEGER = { multiply: "i32x4.dot_i16x8_s", add: "i32x4.add" };
const STEPS: Record<string, Step> = {
  // The last: one row alone takes four panels at a time.
  gemm_f32_f32_f32w_4x8c1: { multiply: "f32x4.mul", add: "f32x4.add", loops: [...fourRowsToOne, [8, 1, 8, 8]] },
  gemm_qd8_f32_qb4w_4x8c4: { ...INTEGER, loops: fourRowsToOne },
  gemm_qd8_f32_qc8w_4x8c4: { ...INTEGER, loops: fourRowsToOne },
  // Four k at a time: pairs 0, 2 and 1, 3; 16 bytes hold 32 weights of 4 bits or 16 of 8.
  gemv_qd8_f32_qb4w_1x8c4: { ...INTEGER, loops: [[1, 2, 4, 4]] },
  gemv_qd8_f32_qc8w_1x8c4: { ...INTEGER, loops: [[2, 2, 4, 4]] },
};

const test = suite("code generation");

for (const build of ["simd128", "simd128-threads"]) {
  const { exports, functions } = disassemble(new URL(`../../dist/wasm/fptq-${build}.wasm`, import.meta.url));

  /** A kernel's own body and those of all it calls. */
  const bodiesOf = (name: string): Loop[] => {
    const seen = new Set<string>();
    const visit = (internal: string): void => {
      const body = functions.get(internal);
      if (!body || seen.has(internal)) return;
      seen.add(internal);
      for (const { calls } of [body, ...loopsOf(body)]) calls.forEach(visit);
    };
    visit(exports.get(name)!);
    return [...seen].map((internal) => functions.get(internal)!);
  };

  test(`${build}: exports are found`, () => {
    for (const name of [...Object.keys(STEPS), ...Object.keys(CALLS_FROM_LOOPS)]) assert.ok(exports.has(name), name);
  });

  for (const name of exports.keys()) {
    test(`${build}: ${name} keeps to itself in its loops`, () => {
      const loops = [...loopsOf(...bodiesOf(name))];
      for (const { instructions } of loops) {
        for (const state of ["global.get", "global.set", "call_indirect"]) assert.is(instructions.get(state) ?? 0, 0, state);
      }
      const calls = loops.flatMap((loop) => loop.calls);
      if (name in CALLS_FROM_LOOPS) assert.ok(calls.length > 0, `calls nothing from a loop: take it off the list of exceptions`);
      else assert.equal(calls, [], "calls from a loop");
    });
  }

  for (const [name, { multiply, add, loops: expected }] of Object.entries(STEPS)) {
    test(`${build}: a step of ${name} loads, multiplies and adds what its tile says`, () => {
      const innermost = [...loopsOf(...bodiesOf(name))].filter(
        (loop) => loop.loops.length === 0 && loop.instructions.has(multiply),
      );
      const steps = innermost.map(({ instructions }) =>
        ["v128.load", "v128.load32_splat", multiply, add].map((instruction) => instructions.get(instruction) ?? 0),
      );
      assert.equal(steps.map(String).toSorted(), expected.map(String).toSorted());
    });
  }
}

test.run();
