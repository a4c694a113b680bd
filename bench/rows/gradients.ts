/** Distillation, on a sequence of 512 tokens through SmolLM2-135M. */
import type { BenchRow } from "../bench-row.ts";
import { LAYERS, type LinearShape, MODELS } from "../shapes.ts";

const [M, G, EPS] = [512, 32, 1e-5];
const { hidden: E, ffn: F, heads: H, kvHeads: Hkv, headDim: D, vocab: V } = MODELS[0]!;
const [qkv, , gateUp, down] = LAYERS as [LinearShape, LinearShape, LinearShape, LinearShape];

const ofLayer = ({ name, N, K }: LinearShape): BenchRow[] => [
  {
    name: `transpose_qb4w_f32w ${name} G=${G}`,
    prepare(bench) {
      const [w, values] = [bench.reserve(bench.run.packed_bytes_qb4w(N, K, G)), bench.floats(16)];
      const transposed = bench.reserve(bench.run.packed_bytes_f32w(K, N));
      return { bytes: 4.5 * N * K, run: () => bench.run.transpose_qb4w_f32w(w, values, transposed, N, K, G, 0, N / 8) };
    },
  },
  {
    name: `transpose_qc8w_f32w ${name}`,
    prepare(bench) {
      const [w, transposed] = [bench.reserve(bench.run.packed_bytes_qc8w(N, K)), bench.floats(N * K)];
      return { bytes: 5 * N * K, run: () => bench.run.transpose_qc8w_f32w(w, transposed, N, K, 0, N / 8) };
    },
  },
  {
    name: `transpose_f32w_f32w ${name}`,
    prepare(bench) {
      const [w, transposed] = [bench.floats(N * K), bench.reserve(4 * N * K)];
      return { bytes: 8 * N * K, run: () => bench.run.transpose_f32w_f32w(w, transposed, N, K, 0, N / 8) };
    },
  },
  {
    name: `transpose_f32 ${name} M=${M}`,
    prepare(bench) {
      const [source, transposed] = [bench.floats(M * N), bench.reserve(4 * M * N)];
      return { bytes: 8 * M * N, run: () => bench.run.transpose_f32(source, transposed, M, N, 0, M) };
    },
  },
  {
    name: `round_range_f32 ${name} M=${M}`,
    prepare(bench) {
      const [x, y] = [bench.floats(M * K), bench.reserve(4 * M * K)];
      return { bytes: 8 * M * K, run: () => bench.run.round_range_f32(x, y, K, K, 0.02, 0, M) };
    },
  },
  {
    name: `range_gradient_f32 ${name} M=${M}`,
    prepare(bench) {
      const [x, dx, sums] = [bench.floats(M * K), bench.floats(M * K), bench.reserve(8 * M)];
      return { bytes: 12 * M * K, run: () => bench.run.range_gradient_f32(x, dx, sums, K, K, 0.02, 0, M) };
    },
  },
  {
    name: `pack_columns_f32w ${name} M=${M}`,
    prepare(bench) {
      const [source, packed] = [bench.floats(M * K), bench.reserve(4 * M * K)];
      return { bytes: 8 * M * K, run: () => bench.run.pack_columns_f32w(source, packed, M, K, 0, K / 8) };
    },
  },
  {
    name: `scale_gradient_f32 ${name} M=${M} G=${G}`,
    prepare(bench) {
      const [dy, x, w] = [bench.floats(N * M), bench.floats(K * M), bench.floats(N * K)];
      const gradients = bench.reserve((4 * N * K) / G);
      return { macs: M * N * K, run: () => bench.run.scale_gradient_f32(dy, x, w, gradients, M, N, K, G, 0, K / G) };
    },
  },
];

export const rows: BenchRow[] = [
  ...[qkv, gateUp, down].flatMap(ofLayer),
  {
    name: `rmsnorm_backward_f32 ${MODELS[0]!.name} M=${M} K=${E}`,
    prepare(bench) {
      const [x, weight, dy] = [bench.floats(M * E), bench.floats(E), bench.floats(M * E)];
      const [dx, dweight] = [bench.reserve(4 * M * E), bench.reserve(4 * E)];
      return { bytes: 16 * M * E, run: () => bench.run.rmsnorm_backward_f32(x, weight, dy, dx, dweight, M, E, EPS) };
    },
  },
  {
    name: `swiglu_backward_f32 ${MODELS[0]!.name} M=${M} F=${F}`,
    prepare(bench) {
      const [x, dy] = [bench.floats(2 * M * F), bench.floats(M * F)];
      return { bytes: 20 * M * F, run: () => bench.run.swiglu_backward_f32(x, dy, F, 0, M) };
    },
  },
  {
    name: `attention_backward_f32 ${MODELS[0]!.name} M=${M}`,
    prepare(bench) {
      const stride = (H + 2 * Hkv) * D;
      const [x, dy, dx] = [bench.floats(M * stride), bench.floats(M * H * D), bench.reserve(4 * M * stride)];
      const scratch = bench.reserve(8 * (M + 4));
      const run = () => bench.run.attention_backward_f32(x, dy, dx, M, H, Hkv, D, 0, 0, Hkv, scratch);
      return { macs: (5 * H * D * M * (M + 1)) / 2, run };
    },
  },
  {
    name: `kl_gradient_f32 ${MODELS[0]!.name} V=${V}`,
    prepare(bench) {
      const [x, y] = [bench.floats(V), bench.floats(V)];
      return { bytes: 12 * V, run: () => bench.run.kl_gradient_f32(x, y, 1, V, 0, 1) };
    },
  },
  {
    name: `jsd_gradient_f32 ${MODELS[0]!.name} V=${V}`,
    prepare(bench) {
      const [x, y, losses] = [bench.floats(V), bench.floats(V), bench.reserve(8)];
      return { bytes: 16 * V, run: () => bench.run.jsd_gradient_f32(x, y, losses, 1, V, 0, 1) };
    },
  },
];
