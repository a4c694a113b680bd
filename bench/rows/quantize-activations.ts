/**
 * Quantization of activations, alone and fused with what makes them: bytes read and written, f32 in, int8 or
 * int16 out; or 8-bit floats in place.
 */
import { FLOAT8_FORMATS } from "../../src/checkpoint/formats/float8.ts";
import type { BenchMemory, BenchRow } from "../bench-row.ts";
import { MODELS } from "../shapes.ts";

const M = 64;

const alone: BenchRow[] = MODELS.flatMap(({ name, hidden: K }) =>
  (["quantize_f32_qd8", "quantize_f32_qs8", "quantize_f32_qd14"] as const).map((kernel) => ({
    name: `${kernel} ${name} M=${M} K=${K}`,
    prepare(bench) {
      const G = 64;
      const { run } = bench;
      const [x, q, scales, sums] = [
        bench.floats(M * K),
        bench.reserve(2 * M * K),
        bench.reserve(4 * M),
        bench.reserve((4 * M * K) / G),
      ];
      return {
        bytes: (kernel === "quantize_f32_qd14" ? 6 : 5) * M * K,
        run:
          kernel === "quantize_f32_qd14"
            ? () => run.quantize_f32_qd14(x, q, scales, K, 0, M)
            : kernel === "quantize_f32_qd8"
              ? () => run.quantize_f32_qd8(x, q, scales, sums, K, G, 0, M)
              : () => run.quantize_f32_qs8(x, q, scales, sums, K, G, 1 / 127, 0, M),
      };
    },
  })),
);

const fused: BenchRow[] = MODELS.flatMap(({ name, hidden: K, ffn: F }): BenchRow[] =>
  (["dynamic", "static"] as const).flatMap((kind): BenchRow[] => {
    const G = 64;
    const scale = kind === "static" ? 1 / 127 : 0;
    const outputs = (bench: BenchMemory, width: number) =>
      [bench.reserve(M * width), bench.reserve(4 * M), bench.reserve((4 * M * width) / G)] as const;
    return [
      {
        name: `rmsnorm_f32_qd8 ${kind} ${name} M=${M} K=${K}`,
        prepare(bench) {
          // The residual is zero, so that x stays what it is.
          const [x, residual, weight] = [bench.floats(M * K), bench.reserve(4 * M * K), bench.floats(K)];
          const [q, scales, sums] = outputs(bench, K);
          return {
            bytes: 13 * M * K,
            run: () => bench.run.rmsnorm_f32_qd8(x, residual, weight, q, scales, sums, K, G, 1e-5, scale, 0, M),
          };
        },
      },
      {
        name: `layernorm_f32_qd8 ${kind} ${name} M=${M} K=${K}`,
        prepare(bench) {
          const [x, residual, weight, bias] = [bench.floats(M * K), bench.reserve(4 * M * K), bench.floats(K), bench.floats(K)];
          const [q, scales, sums] = outputs(bench, K);
          return {
            bytes: 13 * M * K,
            run: () => bench.run.layernorm_f32_qd8(x, residual, weight, bias, q, scales, sums, K, G, 1e-5, scale, 0, M),
          };
        },
      },
      {
        name: `swiglu_f32_qd8 ${kind} ${name} M=${M} F=${F}`,
        prepare(bench) {
          const x = bench.floats(2 * M * F);
          const [q, scales, sums] = outputs(bench, F);
          return { bytes: 13 * M * F, run: () => bench.run.swiglu_f32_qd8(x, q, scales, sums, F, G, 2 * F, scale, 0, M) };
        },
      },
    ];
  }),
);

const fused14: BenchRow[] = MODELS.flatMap(({ name, hidden: K }) =>
  (["rmsnorm_f32_qd14", "layernorm_f32_qd14"] as const).map((kernel) => ({
    name: `${kernel} ${name} M=${M} K=${K}`,
    prepare(bench) {
      const { run } = bench;
      // The residual is zero, so that x stays what it is.
      const [x, residual, weight] = [bench.floats(M * K), bench.reserve(4 * M * K), bench.floats(K)];
      const [bias, q, scales] = [bench.floats(K), bench.reserve(2 * M * K), bench.reserve(4 * M)];
      return {
        bytes: 14 * M * K,
        run:
          kernel === "rmsnorm_f32_qd14"
            ? () => run.rmsnorm_f32_qd14(x, residual, weight, q, scales, K, 1e-5, 0, M)
            : () => run.layernorm_f32_qd14(x, residual, weight, bias, q, scales, K, 1e-5, 0, M),
      };
    },
  })),
);

const activated: BenchRow[] = MODELS.flatMap(({ name, ffn: F }) =>
  (["gelu_f32_qd8", "gelu_tanh_f32_qd8", "relu_f32_qd8"] as const).map((kernel) => ({
    name: `${kernel} dynamic ${name} M=${M} F=${F}`,
    prepare(bench) {
      const G = 64;
      // In place, run after run: these stay what they are, where smaller ones would end as subnormals, which
      // are slow.
      const x = bench.floats(M * F, 8);
      const [q, scales, sums] = [bench.reserve(M * F), bench.reserve(4 * M), bench.reserve((4 * M * F) / G)];
      return { bytes: 9 * M * F, run: () => bench.run[kernel](x, q, scales, sums, F, G, F, 0, 0, M) };
    },
  })),
);

const float8: BenchRow[] = MODELS.map(({ name, hidden: K }) => ({
  name: `round_f32_f8 ${name} M=${M} K=${K}`,
  prepare(bench) {
    // Rounded once, x is what it is rounded to.
    const x = bench.floats(M * K);
    const { mantissaBits, minExponent, largest } = FLOAT8_FORMATS.fp8;
    return { bytes: 8 * M * K, run: () => bench.run.round_f32_f8(x, K, mantissaBits, minExponent, largest, 0, M) };
  },
}));

export const rows: BenchRow[] = [...alone, ...fused, ...fused14, ...activated, ...float8];
