/**
 * The code that ships is the code that was meant: no kernel leaves its loops for a call or keeps state in a
 * global, and the steps of the linear layers hold the instructions their tile says. A tile argument that is
 * no longer folded, or an `@inline` that no longer inlines, changes no result and costs half of the speed;
 * here it fails, without a clock.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type KernelName, moduleOf } from "../../src/kernels/kernel-table.ts";
import { disassemble, type Loop, loopsOf } from "./disassembly.ts";

const LAST_PANEL = "one call for the last panel, where channels are missing";

/** Kernels that may call from a loop, of either module, and why that costs nothing there. */
const CALLS_FROM_LOOPS: Record<string, string> = {
  attention_f32_kf32_vf32: "one call for each head and block of tokens",
  attention_f32_kqs8_vqs8: "one call for each head and block of tokens",
  attention_f32_kqd8_vqd8: "one call for each head and block of tokens",
  attention_f32_kqs8_vf32: "one call for each head and block of tokens",
  attention_f32_kf32_vqs8: "one call for each head and block of tokens",
  attention_f32_kqd8_vf32: "one call for each head and block of tokens",
  attention_f32_kf32_vqd8: "one call for each head and block of tokens",
  attention_f32_kqd8_vqs8: "one call for each head and block of tokens",
  attention_f32_kqs8_vqd8: "one call for each head and block of tokens",
  swiglu_f32: "one call for each row",
  swiglu_f32_qd8: "two calls for each row",
  gelu_f32: "one call for each row",
  gelu_tanh_f32: "one call for each row",
  relu_f32: "one call for each row",
  gelu_f32_qd8: "two calls for each row",
  gelu_tanh_f32_qd8: "two calls for each row",
  relu_f32_qd8: "two calls for each row",
  quantize_f32_qd8: "one call for each row",
  quantize_f32_qs8: "one call for each row",
  geglu_tanh_f32: "a few calls for each row",
  geglu_tanh_f32_qd8: "a few calls for each row",
  add_f32: "a few calls for each row",
  softcap_f32: "two calls for the last vector",
  softmax_f32: "a few calls for the last vector",
  kl_divergence_f32: "a few calls for the last vector",
  observe_f32: "a few calls for each row",
  hadamard_f32: "one call for each row",
  residual_scales_f32: "one call for each row",
  scale_rows_f32: "two calls for the last vector of each row",
  clamp_f32: "two calls for the last vector of each row",
  search_lines_f32: "a few calls for each candidate line of a group",
  cross_entropy_f32: "three calls for each row of logits",
  gemm_f32_f32_f32w_4x8c1: "one call for each row of a finished tile",
  gemm_qd8_f32_qb4w_x8c4: LAST_PANEL,
  gemm_qd8_f32_qb4fw_x8c4: `${LAST_PANEL}; one for each block of rows`,
  gemm_qd8_f32_qc8w_x8c4: `one call for each block of rows; ${LAST_PANEL}`,
  gemm_qd14_f32_qc8w_x8c4: `one call for each block of rows; ${LAST_PANEL}`,
  gemv_qd8_f32_qb4w_1x8c4: LAST_PANEL,
  gemv_qd8_f32_qb4fw_1x8c4: LAST_PANEL,
  gemv_qd8_f32_qc8w_1x8c4: LAST_PANEL,
  gemv_qd14_f32_qc8w_1x8c4: LAST_PANEL,
  gemm_qd8_f32_qb8w_x8c4: LAST_PANEL,
  gemm_qd8_f32_qb4zw_x8c4: LAST_PANEL,
  gemm_qd8_f32_qb4mw_x8c4: `${LAST_PANEL}; one for each block of rows`,
  gemv_qd8_f32_qb8w_1x8c4: LAST_PANEL,
  gemv_qd8_f32_qb4zw_1x8c4: LAST_PANEL,
  gemv_qd8_f32_qb4mw_1x8c4: LAST_PANEL,
  gemm_qd8_f32_qb4aw_x8c4: LAST_PANEL,
  gemm_qd8_f32_qb8aw_x8c4: LAST_PANEL,
  gemv_qd8_f32_qb4aw_1x8c4: LAST_PANEL,
  gemv_qd8_f32_qb8aw_1x8c4: LAST_PANEL,
  kl_gradient_f32: "two calls for each row of logits",
  jsd_gradient_f32: "two calls for each row of logits",
  rmsnorm_backward_f32: "one call for each row",
  attention_backward_f32: "a few calls for each query row",
  rmsnorm_f32: "one call for each row",
  rmsnorm_heads_f32: "one call for each row",
  rmsnorm_f32_qd8: "two calls for each row",
  rmsnorm_f32_qd14: "two calls for each row",
  layernorm_f32: "one call for each row",
  layernorm_heads_f32: "one call for each head",
  layernorm_f32_qd8: "a few calls for each row",
  layernorm_f32_qd14: "a few calls for each row",
  search_scales_f32: "one call for each candidate scale of a group",
  gram_f64_f32: "one call for each tile of the matrix",
  round_gptq_f32: "one call for each column of a panel, over all that were rounded",
  refine_codes_f32: "one call for each pair of columns of a panel",
};

interface Step {
  /** The products that mark a step of k, and what adds them up: nothing, where the product itself does. */
  multiply: string;
  add: string;
  /** Another instruction of these loops, where products alone do not tell them from others. */
  broadcast?: string;
  /**
   * What each innermost loop with such products has: vectors of weights loaded, activations broadcast,
   * products, sums.
   */
  loops: [weights: number, activations: number, products: number, sums: number][];
}

/** Each row meets both vectors of a panel's channels. */
const rowsToOne = (most: number, fused = false): Step["loops"] =>
  Array.from({ length: most }, (_, i) => [2, i + 1, 2 * (i + 1), fused ? 0 : 2 * (i + 1)]);
const FLOAT = { multiply: "f32x4.mul", add: "f32x4.add" };
const I16 = { multiply: "i32x4.dot_i16x8_s", add: "i32x4.add" };
const PAIRS = { multiply: "i16x8.relaxed_dot_i8x16_i7x16_s", add: "i16x8.add" };
const I8 = { multiply: "i32x4.relaxed_dot_i8x16_i7x16_add_s", add: "i32x4.add" };
// The last: one row alone takes four panels at a time.
const floats: Step = { ...FLOAT, loops: [...rowsToOne(4), [8, 1, 8, 8]] };

// Not a product but a rounding: by the anchor and by the scale, over one addition.
const float8: Step = { ...FLOAT, loops: [[1, 0, 2, 1]] };

// Four channels' gradients by eight columns of the input.
const outerProducts: Step = { ...FLOAT, loops: [[2, 4, 8, 8]] };

// Scores and values are one tile, of one to four rows; that of integers has two operands a step, or two
// planes.
const attention = (products: (r: number) => Step["loops"]) => [1, 2, 3, 4].flatMap(products);
const attentionFloats: Step = {
  ...FLOAT,
  broadcast: "v128.load32_splat",
  loops: attention((r) => [[2, r, 2 * r, 2 * r], [2, r, 2 * r, 2 * r]]),
}; // prettier-ignore
const attentionI16: Step = {
  ...I16,
  loops: attention((r) => [
    [2, 2 * r, 4 * r, 4 * r],
    [2, 2 * r, 4 * r, 4 * r],
  ]),
};
// A query's high plane takes back 64 times the sum of the data: two products that all rows share.
const attentionI8: Step = {
  ...I8,
  loops: attention((r) => [[2, r, 2 * r + 2, 0], [2, r, 2 * r, 0], [2, r, 2 * r, 0], [2, r, 2 * r, 0]]),
}; // prettier-ignore

/** Few rows widen weights while loading them, and broadcast four k at once. */
const eightBits: Step = { ...I16, loops: [...rowsToOne(4), [0, 0, 4, 4], [0, 0, 6, 6], [0, 0, 8, 8]] };
const SIMD128: Record<string, Step> = {
  gemm_f32_f32_f32w_4x8c1: floats,
  round_f32_f8: float8,
  gemm_qd8_f32_qb4w_x8c4: { ...I16, loops: rowsToOne(4) },
  gemm_qd8_f32_qb4fw_x8c4: { ...I16, loops: rowsToOne(4) },
  gemm_qd8_f32_qc8w_x8c4: eightBits,
  gemm_qd14_f32_qc8w_x8c4: eightBits,
  // Four k at a time: pairs 0, 2 and 1, 3; 16 bytes hold 32 weights of 4 bits or 16 of 8. One loop for the
  // streams, one for panels left over. Twice: integers and E2M1 differ in their steps only, and the function
  // is one.
  gemv_qd8_f32_qb4w_1x8c4: { ...I16, loops: [[1, 2, 4, 4], [1, 2, 4, 4], [1, 2, 4, 4], [1, 2, 4, 4]] },
  gemv_qd8_f32_qb4fw_1x8c4: { ...I16, loops: [[1, 2, 4, 4], [1, 2, 4, 4], [1, 2, 4, 4], [1, 2, 4, 4]] },
  gemv_qd8_f32_qc8w_1x8c4: { ...I16, loops: [[4, 2, 8, 8], [2, 2, 4, 4]] },
  gemv_qd14_f32_qc8w_1x8c4: { ...I16, loops: [[4, 2, 8, 8], [2, 2, 4, 4]] },
  attention_f32_kf32_vf32: attentionFloats,
  attention_f32_kqs8_vqs8: attentionI16,
  attention_f32_kqd8_vqd8: attentionI16,
}; // prettier-ignore
const RELAXED: Record<string, Step> = {
  gemm_f32_f32_f32w_4x8c1: floats,
  round_f32_f8: float8,
  gemm_qd8_f32_qb4w_x8c4: { ...I8, loops: rowsToOne(6, true) },
  gemm_qd8_f32_qb4fw_x8c4: { ...I8, loops: rowsToOne(6, true) },
  // Each tile twice: the high plane of the activations, the low one.
  gemm_qd8_f32_qc8w_x8c4: { ...I8, loops: [...rowsToOne(6, true), ...rowsToOne(6, true)] },
  gemm_qd14_f32_qc8w_x8c4: { ...I8, loops: [...rowsToOne(6, true), ...rowsToOne(6, true)] },
  // Three streams side by side, or a panel left over.
  gemv_qd8_f32_qb4w_1x8c4: { ...I8, loops: [[3, 1, 6, 0], [1, 1, 2, 0], [3, 1, 6, 0], [1, 1, 2, 0]] },
  gemv_qd8_f32_qb4fw_1x8c4: { ...I8, loops: [[3, 1, 6, 0], [1, 1, 2, 0], [3, 1, 6, 0], [1, 1, 2, 0]] },
  gemv_qd8_f32_qc8w_1x8c4: { ...I8, loops: [[6, 2, 12, 0], [2, 2, 4, 0]] },
  gemv_qd14_f32_qc8w_1x8c4: { ...I8, loops: [[6, 2, 12, 0], [2, 2, 4, 0]] },
  attention_f32_kf32_vf32: attentionFloats,
  attention_f32_kqs8_vqs8: attentionI8,
  attention_f32_kqd8_vqd8: attentionI8,
}; // prettier-ignore
const QUANTIZER: Record<string, Step> = { scale_gradient_f32: outerProducts };

/** The minima of a superblock: pairs of groups, both halves of the channels, for each kind of tile. */
const minima = (times: number) => Array.from({ length: times }, (): Step["loops"][number] => [0, 1, 2, 2]);
const KEPT_SIMD128: Record<string, Step> = {
  gemm_qd8_f32_qb8w_x8c4: { ...I16, loops: rowsToOne(4) },
  gemm_qd8_f32_qb4zw_x8c4: { ...I16, loops: rowsToOne(4) },
  gemm_qd8_f32_qb4mw_x8c4: { ...I16, loops: [...rowsToOne(4), ...minima(4)] },
  gemm_qd8_f32_qb4aw_x8c4: { ...I16, loops: rowsToOne(4) },
  gemm_qd8_f32_qb8aw_x8c4: { ...I16, loops: rowsToOne(4) },
  // Streams, and panels left over.
  gemv_qd8_f32_qb8w_1x8c4: { ...I16, loops: [[4, 2, 8, 8], [2, 2, 4, 4]] },
  gemv_qd8_f32_qb4zw_1x8c4: { ...I16, loops: [[1, 2, 4, 4], [1, 2, 4, 4]] },
  gemv_qd8_f32_qb4mw_1x8c4: { ...I16, loops: [[1, 2, 4, 4], [1, 2, 4, 4], ...minima(2)] },
  gemv_qd8_f32_qb4aw_1x8c4: { ...I16, loops: [[1, 2, 4, 4], [1, 2, 4, 4]] },
  gemv_qd8_f32_qb8aw_1x8c4: { ...I16, loops: [[4, 2, 8, 8], [2, 2, 4, 4]] },
}; // prettier-ignore
const KEPT_RELAXED: Record<string, Step> = {
  // Each tile twice: the signs of the activations, their lower bits.
  gemm_qd8_f32_qb8w_x8c4: { ...I8, loops: [...rowsToOne(6, true), ...rowsToOne(6, true)] },
  gemm_qd8_f32_qb4zw_x8c4: { ...I8, loops: rowsToOne(6, true) },
  gemm_qd8_f32_qb4mw_x8c4: { ...I8, loops: rowsToOne(6, true) },
  gemm_qd8_f32_qb4aw_x8c4: { ...I8, loops: rowsToOne(6, true) },
  gemm_qd8_f32_qb8aw_x8c4: { ...I8, loops: [...rowsToOne(6, true), ...rowsToOne(6, true)] },
  gemv_qd8_f32_qb8w_1x8c4: { ...I8, loops: [[6, 2, 12, 0], [2, 2, 4, 0]] },
  gemv_qd8_f32_qb4zw_1x8c4: { ...I8, loops: [[3, 1, 6, 0], [1, 1, 2, 0]] },
  gemv_qd8_f32_qb4mw_1x8c4: { ...I8, loops: [[3, 1, 6, 0], [1, 1, 2, 0]] },
  gemv_qd8_f32_qb4aw_1x8c4: { ...I8, loops: [[3, 1, 6, 0], [1, 1, 2, 0]] },
  gemv_qd8_f32_qb8aw_1x8c4: { ...I8, loops: [[6, 2, 12, 0], [2, 2, 4, 0]] },
}; // prettier-ignore
/** 16 k at a time, two streams or a panel left over: sums of four products, widened once. */
const fours: Step = {
  multiply: "i16x8.relaxed_dot_i8x16_i7x16_s",
  add: "i16x8.add",
  loops: [[8, 4, 16, 12], [4, 4, 8, 6], [8, 4, 16, 12], [4, 4, 8, 6]],
}; // prettier-ignore
/** Tiles of a GEMM; those of two to four rows also over packed groups, of which 16 bytes are both vectors. */
const tiles: Step = { ...PAIRS, loops: [...rowsToOne(4), [1, 2, 4, 4], [1, 3, 6, 6], [1, 4, 8, 8]] };
const RELAXED_I16: Record<string, Step> = {
  gemm_qd8_f32_qb4w_x8c4: tiles,
  gemm_qd8_f32_qb4fw_x8c4: tiles,
  gemv_qd8_f32_qb4w_1x8c4: fours,
  gemv_qd8_f32_qb4fw_1x8c4: fours,
};
// In the place of sums the masks: one for two products, since the other operand is the whole byte.
const RELAXED_BYTES: Record<string, Step> = {
  gemv_qd8_f32_qb4w_1x8c4: { ...I8, add: "v128.and", loops: [[4, 1, 8, 4], [1, 1, 2, 1]] },
}; // prettier-ignore
const KEPT_RELAXED_I16: Record<string, Step> = {
  gemm_qd8_f32_qb4zw_x8c4: tiles,
  gemm_qd8_f32_qb4mw_x8c4: tiles,
  gemm_qd8_f32_qb4aw_x8c4: tiles,
  // 16 k at a time, twice for a group, which is widened by its scale.
  gemv_qd8_f32_qb4mw_1x8c4: { ...PAIRS, loops: [[8, 4, 16, 16], [4, 4, 8, 8]] },
  gemv_qd8_f32_qb4zw_1x8c4: { ...fours, loops: fours.loops.slice(0, 2) },
  gemv_qd8_f32_qb4aw_1x8c4: { ...fours, loops: fours.loops.slice(0, 2) },
}; // prettier-ignore
/** Whose exports are all kernels of a module: forms have some. */
const WHOLE: Record<string, string> = {
  simd128: "inference",
  relaxed: "inference",
  "kept-simd128": "kept",
  "kept-relaxed": "kept",
  quantizer: "quantizer",
};
const STEPS = {
  simd128: SIMD128,
  relaxed: RELAXED,
  "relaxed-i16": RELAXED_I16,
  "relaxed-u8": RELAXED_BYTES,
  "relaxed-s8": RELAXED_BYTES,
  "kept-simd128": KEPT_SIMD128,
  "kept-relaxed": KEPT_RELAXED,
  "kept-relaxed-i16": KEPT_RELAXED_I16,
  quantizer: QUANTIZER,
};

const test = suite("code generation");

for (const [build, steps] of Object.entries(STEPS)) {
  const { exports, functions } = disassemble(new URL(`../../dist/wasm/fptq-${build}.wasm`, import.meta.url));
  const exceptions = Object.keys(CALLS_FROM_LOOPS).filter((name) => moduleOf(name as KernelName) === WHOLE[build]);

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
    for (const name of [...Object.keys(steps), ...exceptions]) assert.ok(exports.has(name), name);
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

  for (const [name, { multiply, add, broadcast = multiply, loops: expected }] of Object.entries(steps)) {
    test(`${build}: a step of ${name} loads, multiplies and adds what its tile says`, () => {
      const innermost = [...loopsOf(...bodiesOf(name))].filter(
        ({ loops, instructions }) => loops.length === 0 && instructions.has(multiply) && instructions.has(broadcast),
      );
      const found = innermost.map(({ instructions }) =>
        ["v128.load", "v128.load32_splat", multiply, add].map((instruction) => instructions.get(instruction) ?? 0),
      );
      assert.equal(found.map(String).toSorted(), expected.map(String).toSorted());
    });
  }
}

test.run();
