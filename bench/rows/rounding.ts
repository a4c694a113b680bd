/**
 * Rounding weights, on the layers of SmolLM2-135M: the Hessian of a prompt's rows, its factor, scales, GPTQ
 * and the refinement after it.
 */
import { NULL, type Pointer } from "../../src/kernels/pointer.ts";
import type { BenchMemory, BenchRow } from "../bench-row.ts";
import { LAYERS, type LinearShape } from "../shapes.ts";

const [M, G, TOP, BF16] = [512, 32, 7, 1];

/** f64[K, K + 8]: ones on the diagonal, a little beside it. */
function hessian(bench: BenchMemory, K: number): { pointer: Pointer; refill: () => void } {
  const pointer = bench.reserve(8 * K * (K + 8));
  const refill = () => {
    const matrix = bench.f64(pointer, K * (K + 8));
    for (let i = 0; i < K; i++) for (let j = 0; j < K; j++) matrix[i * (K + 8) + j] = i === j ? 1 : 0.5 / K;
  };
  refill();
  return { pointer, refill };
}

function ofLayer({ name, N, K }: LinearShape): BenchRow[] {
  const panels = Math.ceil(N / 8);
  return [
    {
      name: `gram_f64_f32 ${name} M=${M}`,
      prepare(bench) {
        const [x, gram] = [bench.floats(M * K), bench.reserve(8 * K * K)];
        return { macs: (M * K * (K + 4)) / 2, run: () => bench.run.gram_f64_f32(x, gram, M, K, 0, K / 8) };
      },
    },
    {
      name: `round_learned_f32 ${name} G=${G}`,
      prepare(bench) {
        const [w, offsets, scales] = [bench.floats(N * K), bench.floats(N * K), bench.floats((N * K) / G)];
        const rounded = bench.reserve(4 * N * K);
        return { bytes: 12 * N * K, run: () => bench.run.round_learned_f32(w, offsets, scales, rounded, K, G, TOP, 0, N) };
      },
    },
    {
      name: `step_learned_f32 ${name} G=${G}`,
      prepare(bench) {
        const [w, offsets, gradients] = [bench.floats(N * K), bench.floats(N * K), bench.floats(N * K)];
        const [scales, clips] = [bench.floats((N * K) / G), bench.floats((N * K) / G)];
        const run = () => bench.run.step_learned_f32(w, offsets, scales, gradients, clips, K, G, TOP, 0.005, 0, N);
        return { bytes: 16 * N * K, run };
      },
    },
    {
      name: `cholesky_f64 ${name} K=${K}`,
      prepare(bench) {
        const { pointer, refill } = hessian(bench, K);
        const run = () => {
          refill(); // a factor has no factor again
          bench.run.cholesky_f64(pointer, K, K + 8);
        };
        return { macs: K ** 3 / 6, run };
      },
    },
    {
      name: `search_scales_f32 ${name} G=${G}`,
      prepare(bench) {
        const [w, importance, scales] = [bench.floats(N * K), bench.floats(K), bench.reserve((4 * N * K) / G)];
        return { bytes: 4 * N * K, run: () => bench.run.search_scales_f32(w, importance, scales, K, G, TOP, BF16, 0, N) };
      },
    },
    {
      name: `search_lines_f32 ${name}`,
      prepare(bench) {
        const [w, importance, lines] = [bench.floats(N * K), bench.floats(K), bench.reserve((4 * N * K) / G)];
        const [lows, centers] = [bench.reserve((4 * N * K) / G), bench.reserve((4 * N * K) / G)];
        return { bytes: 4 * N * K, run: () => bench.run.search_lines_f32(w, importance, lines, lows, centers, K, 0, N) };
      },
    },
    {
      name: `round_gptq_f32 ${name} G=${G}`,
      prepare(bench) {
        const factor = hessian(bench, K).pointer;
        bench.run.cholesky_f64(factor, K, K + 8);
        const [w, scales, codes] = [bench.floats(N * K), bench.reserve((4 * N * K) / G), bench.reserve(N * K)];
        const [errors, losses, scratch] = [bench.reserve(64 * panels * K), bench.reserve(8 * N), bench.reserve(128 + 96 * G)];
        const run = () =>
          bench.run.round_gptq_f32(w, factor, NULL, NULL, scales, codes, errors, losses, N, K, K + 8, G, TOP, BF16, 1, 0, panels, scratch); // prettier-ignore
        return { macs: (N * K * K) / 2, run };
      },
    },
    {
      name: `refine_codes_f32 ${name} G=${G}`,
      prepare(bench) {
        const h = hessian(bench, K).pointer;
        const [w, scales, codes] = [bench.floats(N * K), bench.floats((N * K) / G), bench.reserve(N * K)];
        const [errors, gradients, scratch] = [bench.reserve(64 * panels * K), bench.reserve(64 * panels * K), bench.reserve(128 + 192 * G)]; // prettier-ignore
        const run = () =>
          bench.run.refine_codes_f32(
            w,
            h,
            scales,
            NULL,
            NULL,
            codes,
            errors,
            gradients,
            N,
            K,
            K + 8,
            G,
            TOP,
            BF16,
            1,
            0,
            panels,
            scratch,
          );
        return { macs: 2 * N * K * K, run };
      },
    },
  ];
}

const [, , gateUp, down] = LAYERS as [LinearShape, LinearShape, LinearShape, LinearShape];

export const rows: BenchRow[] = [gateUp, down].flatMap(ofLayer);
