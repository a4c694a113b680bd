/**
 * What lies between linear layers, over a prompt's rows, and what becomes of logits: bytes read and written.
 */
import type { BenchRow } from "../bench-row.ts";
import { NULL } from "../../src/kernels/pointer.ts";
import { MODELS } from "../shapes.ts";

const M = 64;
const EPS = 1e-5;

const betweenLayers = MODELS.flatMap(({ name, hidden: K, ffn: F, heads, headDim: D }): BenchRow[] => [
  {
    name: `rmsnorm_f32 ${name} M=${M} K=${K}`,
    prepare(bench) {
      const [x, weight, y] = [bench.floats(M * K), bench.floats(K), bench.reserve(4 * M * K)];
      return { bytes: 8 * M * K, run: () => bench.run.rmsnorm_f32(x, weight, y, M, K, EPS, 0, M) };
    },
  },
  {
    name: `layernorm_f32 ${name} M=${M} K=${K}`,
    prepare(bench) {
      const [x, weight, bias, y] = [bench.floats(M * K), bench.floats(K), bench.floats(K), bench.reserve(4 * M * K)];
      return { bytes: 8 * M * K, run: () => bench.run.layernorm_f32(x, weight, bias, y, M, K, EPS, 0, M) };
    },
  },
  {
    name: `rmsnorm_heads_f32 ${name} M=${M} heads=${heads} D=${D}`,
    prepare(bench) {
      // In place, run after run: weights other than one would drive x into subnormals, which are slow. Ones
      // are cosines of zero.
      const [x, zeros] = [bench.floats(M * heads * D), bench.reserve(4 * D)];
      const [weight, sin] = [bench.reserve(4 * D), bench.reserve(4 * D)];
      bench.run.rope_table_f32(zeros, weight, sin, 0, 1, 2 * D);
      return { bytes: 8 * M * heads * D, run: () => bench.run.rmsnorm_heads_f32(x, weight, heads, D, heads * D, EPS, 0, M) };
    },
  },
  {
    name: `layernorm_heads_f32 ${name} M=${M} heads=${heads} D=${D}`,
    prepare(bench) {
      const [x, zeros] = [bench.floats(M * heads * D), bench.reserve(4 * heads * D)];
      const [weight, sin] = [bench.reserve(4 * heads * D), bench.reserve(4 * heads * D)];
      bench.run.rope_table_f32(zeros, weight, sin, 0, 1, 2 * heads * D);
      return { bytes: 8 * M * heads * D, run: () => bench.run.layernorm_heads_f32(x, weight, heads, D, heads * D, EPS, 0, M) };
    },
  },
  {
    name: `append_gated_f32 ${name} M=${M} E=${K}`,
    prepare(bench) {
      const [x, cache, rows] = [bench.floats(M * 3 * K), bench.reserve(4 * M * K), bench.rows(1, M, 0)];
      return { bytes: 12 * M * K, run: () => bench.run.append_gated_f32(x, cache, rows, 3 * K, K, 0, M) };
    },
  },
  {
    name: `convolve_f32 ${name} M=${M} E=${K} K=3`,
    prepare(bench) {
      const [x, cache, weight] = [bench.floats(M * 3 * K), bench.floats(M * K), bench.floats(3 * K)];
      const [y, rows] = [bench.reserve(4 * M * K), bench.rows(1, M, 0)];
      return { bytes: 12 * M * K, run: () => bench.run.convolve_f32(x, cache, weight, NULL, y, rows, 3 * K, K, 3, 0, M) };
    },
  },
  {
    name: `rope_f32 ${name} M=${M} heads=${heads} D=${D}`,
    prepare(bench) {
      const [x, frequencies] = [bench.floats(M * heads * D), bench.reserve(2 * D)];
      const [cos, sin] = [bench.reserve(2 * M * D), bench.reserve(2 * M * D)];
      bench.run.rope_frequencies_f32(frequencies, 10000, D);
      bench.run.rope_table_f32(frequencies, cos, sin, 0, M, D);
      const rows = bench.rows(1, M, 0);
      return { bytes: 8 * M * heads * D, run: () => bench.run.rope_f32(x, cos, sin, rows, heads, D, D, heads * D, 0, M) };
    },
  },
  {
    name: `swiglu_f32 ${name} M=${M} F=${F}`,
    prepare(bench) {
      const [x, y] = [bench.floats(2 * M * F), bench.reserve(4 * M * F)];
      return { bytes: 12 * M * F, run: () => bench.run.swiglu_f32(x, y, F, 2 * F, 0, M) };
    },
  },
  {
    name: `geglu_tanh_f32 ${name} M=${M} F=${F}`,
    prepare(bench) {
      const [x, y] = [bench.floats(2 * M * F), bench.reserve(4 * M * F)];
      return { bytes: 12 * M * F, run: () => bench.run.geglu_tanh_f32(x, y, F, 2 * F, 0, M) };
    },
  },
  {
    name: `softcap_f32 ${name} M=${M} F=${F}`,
    prepare(bench) {
      const x = bench.floats(M * F);
      return { bytes: 8 * M * F, run: () => bench.run.softcap_f32(x, F, 30, 0, M) };
    },
  },
  {
    name: `scale_f32 ${name} M=${M} F=${F}`,
    prepare(bench) {
      const x = bench.floats(M * F);
      return { bytes: 8 * M * F, run: () => bench.run.scale_f32(x, F, 1, 0, M) };
    },
  },
  ...(["gelu_f32", "gelu_tanh_f32", "relu_f32"] as const).map((kernel): BenchRow => ({
    name: `${kernel} ${name} M=${M} F=${F}`,
    prepare(bench) {
      const [x, y] = [bench.floats(M * F), bench.reserve(4 * M * F)];
      return { bytes: 8 * M * F, run: () => bench.run[kernel](x, y, F, F, 0, M) };
    },
  })),
  {
    name: `add_f32 ${name} M=${M} K=${K}`,
    prepare(bench) {
      const [x, y] = [bench.floats(M * K), bench.reserve(4 * M * K)]; // y is zero, so that x stays what it is
      return { bytes: 12 * M * K, run: () => bench.run.add_f32(x, y, K, 0, M) };
    },
  },
  {
    name: `hadamard_f32 ${name} M=${M} K=${F} size=${F & -F}`,
    prepare(bench) {
      const [x, y] = [bench.floats(M * F), bench.reserve(4 * M * F)];
      return { bytes: 8 * M * F, run: () => bench.run.hadamard_f32(x, y, F, F & -F, 1 / Math.sqrt(F & -F), 0, M) };
    },
  },
  {
    name: `residual_scales_f32 ${name} M=${M} K=${K}`,
    prepare(bench) {
      const [x, scales] = [bench.floats(M * K), bench.reserve(8 * M)];
      return { bytes: 4 * M * K, run: () => bench.run.residual_scales_f32(x, scales, M, K, EPS, 0, M) };
    },
  },
  {
    name: `scale_rows_f32 ${name} M=${M} K=${K}`,
    prepare(bench) {
      const [x, zeros, scales] = [bench.floats(M * K), bench.reserve(4 * M), bench.reserve(4 * M)];
      // In place, run after run, so the factors are ones: cosines of zero.
      bench.run.rope_table_f32(zeros, scales, zeros, 0, 1, 2 * M);
      return { bytes: 8 * M * K, run: () => bench.run.scale_rows_f32(x, scales, K, 0, M) };
    },
  },
  {
    name: `clamp_f32 ${name} M=${M} K=${K}`,
    prepare(bench) {
      const x = bench.floats(M * K);
      return { bytes: 8 * M * K, run: () => bench.run.clamp_f32(x, K, K, -0.5, 0.5, 0, M) };
    },
  },
  {
    name: `observe_f32 ${name} M=${M} K=${K}`,
    prepare(bench) {
      const [x, min, max] = [bench.floats(M * K), bench.reserve(4 * K), bench.reserve(4 * K)];
      const sumSquares = bench.reserve(8 * K);
      return { bytes: 4 * M * K, run: () => bench.run.observe_f32(x, min, max, sumSquares, M, K, K) };
    },
  },
]);

const logits = MODELS.slice(0, 2).flatMap(({ name, vocab: V }): BenchRow[] => [
  {
    name: `first_nonfinite_f32 ${name} V=${V}`,
    prepare(bench) {
      const x = bench.floats(V);
      return { bytes: 4 * V, run: () => bench.run.first_nonfinite_f32(x, V) };
    },
  },
  {
    name: `argmax_f32 ${name} V=${V}`,
    prepare(bench) {
      const x = bench.floats(V);
      return { bytes: 4 * V, run: () => bench.run.argmax_f32(x, V) };
    },
  },
  {
    name: `softmax_f32 ${name} V=${V}`,
    prepare(bench) {
      const [x, y] = [bench.floats(V), bench.reserve(4 * V)];
      return { bytes: 8 * V, run: () => bench.run.softmax_f32(x, y, V, 0.8) };
    },
  },
  {
    name: `cross_entropy_f32 ${name} V=${V}`,
    prepare(bench) {
      const [x, target, loss] = [bench.floats(V), bench.reserve(4), bench.reserve(8)];
      return { bytes: 4 * V, run: () => bench.run.cross_entropy_f32(x, target, loss, V, 0, 1) };
    },
  },
  {
    name: `kl_divergence_f32 ${name} V=${V}`,
    prepare(bench) {
      const [x, y] = [bench.floats(V), bench.floats(V)];
      return { bytes: 8 * V, run: () => bench.run.kl_divergence_f32(x, y, V) };
    },
  },
]);

const table: BenchRow = {
  name: "rope_table_f32 count=512 D=64",
  prepare(bench) {
    const [frequencies, cos, sin] = [bench.reserve(128), bench.reserve(65536), bench.reserve(65536)];
    bench.run.rope_frequencies_f32(frequencies, 10000, 64);
    return { bytes: 131072, run: () => bench.run.rope_table_f32(frequencies, cos, sin, 0, 512, 64) };
  },
};

export const rows: BenchRow[] = [...betweenLayers, table, ...logits];
