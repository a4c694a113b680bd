/**
 * Linear layers in floats: calibration by whole sequences, in multiply-accumulates; decoding of an
 * unquantized model in bytes of weights.
 */
import { NULL } from "../../src/kernels/pointer.ts";
import type { BenchRow } from "../bench-row.ts";
import { LAYERS, type LinearShape } from "../shapes.ts";

function linear({ name, N, K }: LinearShape, M: number): BenchRow {
  return {
    name: `gemm_f32_f32_f32w_4x8c1 ${name} M=${M}`,
    prepare(bench) {
      const { run } = bench;
      const [source, x, y] = [bench.floats(N * K), bench.floats(M * K), bench.reserve(4 * M * N)];
      const bytes = run.packed_bytes_f32w(N, K);
      const w = bench.reserve(bytes);
      run.pack_f32w(source, w, 0, N, N, K);
      const work = () => run.gemm_f32_f32_f32w_4x8c1(x, w, NULL, y, M, N, K, 0, Math.ceil(N / 8), NULL);
      return M === 1 ? { bytes, run: work } : { macs: M * N * K, run: work };
    },
  };
}

const [qkv, , , down] = LAYERS as [LinearShape, LinearShape, LinearShape, LinearShape];

export const rows: BenchRow[] = [
  ...LAYERS.filter(({ name }) => !name.startsWith("llama-2-7b")).flatMap((shape) => [linear(shape, shape.M), linear(shape, 1)]),
  // Each count of rows left over, so that no tail is much slower than its share of a tile.
  ...[2, 3, 4, 5].flatMap((M) => [linear(qkv, M), linear(down, M)]),
  {
    name: `pack_f32w ${qkv.name}`,
    prepare(bench) {
      const { N, K } = qkv;
      const [source, packed] = [bench.floats(N * K), bench.reserve(bench.run.packed_bytes_f32w(N, K))];
      return { bytes: 8 * N * K, run: () => bench.run.pack_f32w(source, packed, 0, N, N, K) };
    },
  },
];
