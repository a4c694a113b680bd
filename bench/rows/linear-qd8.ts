/**
 * Linear layers over 8-bit and, with 8-bit weights, 14-bit activations: prefill by GEMM in
 * multiply-accumulates, decode by GEMV in bytes of packed weights.
 */
import { NULL } from "../../src/kernels/pointer.ts";
import type { BenchMemory, BenchRow } from "../bench-row.ts";
import { HEADS, LAYERS, type LinearShape } from "../shapes.ts";

/** M quantized rows, and room for what comes of them. */
export function quantizedRows(bench: BenchMemory, { N, K, G }: LinearShape, M: number) {
  const [q, scales, sums] = [bench.reserve(M * K), bench.reserve(4 * M), bench.reserve((4 * M * K) / G)];
  bench.run.quantize_f32_qd8(bench.floats(M * K), q, scales, sums, K, G, 0, M);
  return { q, scales, sums, y: bench.reserve(4 * M * N), scratchBytes: bench.run.linear_scratch_bytes(M, K) };
}

/** The same of 14 bits. */
function rows14(bench: BenchMemory, { N, K }: LinearShape, M: number) {
  const [q, scales] = [bench.reserve(2 * M * K), bench.reserve(4 * M)];
  bench.run.quantize_f32_qd14(bench.floats(M * K), q, scales, K, 0, M);
  return { q, scales, y: bench.reserve(4 * M * N), scratchBytes: bench.run.linear_scratch_bytes(M, K) };
}

/** @param weights 4-bit integers or 4-bit floats, of which any nibbles are some */
function blockwise(weights: "qb4w" | "qb4fw", shape: LinearShape, M: number): BenchRow {
  const { N, K, G } = shape;
  const panels = Math.ceil(N / 8);
  const [gemv, gemm] = [`gemv_qd8_f32_${weights}_1x8c4`, `gemm_qd8_f32_${weights}_x8c4`] as const;
  const kernel = M === 1 ? gemv : gemm;
  return {
    name: `${kernel} ${shape.name} G=${G}${M === 1 ? "" : ` M=${M}`}`,
    split: true,
    prepare(bench) {
      const { run } = bench;
      const { q, scales, sums, y, scratchBytes } = quantizedRows(bench, shape, M);
      const bytes = run.packed_bytes_qb4w(N, K, G);
      const w = bench.reserve(bytes);
      run.pack_qb4w(bench.noise((N * K) / 2), bench.floats((N * K) / G), w, 0, N, N, K, G);
      return M === 1
        ? { bytes, run: bench.split(gemv, panels, scratchBytes, q, scales, sums, w, NULL, y, N, K, G) }
        : {
            macs: M * N * K,
            run: bench.split(gemm, panels, scratchBytes, q, scales, sums, w, NULL, y, M, N, K, G),
          };
    },
  };
}

function qc8w(shape: LinearShape, M: number, bits: 8 | 14): BenchRow {
  const { N, K } = shape;
  const panels = Math.ceil(N / 8);
  const [gemv, gemm] = [`gemv_qd${bits}_f32_qc8w_1x8c4`, `gemm_qd${bits}_f32_qc8w_x8c4`] as const;
  return {
    name: `${M === 1 ? gemv : gemm} ${shape.name}${M === 1 ? "" : ` M=${M}`}`,
    split: true,
    prepare(bench) {
      const { run } = bench;
      const { q, scales, y, scratchBytes } = bits === 8 ? quantizedRows(bench, shape, M) : rows14(bench, shape, M);
      const bytes = run.packed_bytes_qc8w(N, K);
      const w = bench.reserve(bytes);
      run.pack_qc8w(bench.noise(N * K), bench.floats(N), w, 0, N, N, K);
      return M === 1
        ? { bytes, run: bench.split(gemv, panels, scratchBytes, q, scales, w, NULL, y, N, K) }
        : { macs: M * N * K, run: bench.split(gemm, panels, scratchBytes, q, scales, w, NULL, y, M, N, K) };
    },
  };
}

export const rows: BenchRow[] = [
  ...LAYERS.flatMap((shape) => [blockwise("qb4w", shape, shape.M), blockwise("qb4w", shape, 1)]),
  // Few rows: sequences side by side, drafts that are checked. From cache and from memory.
  ...["smollm2-135m/qkv", "smollm2-135m/down", "llama-2-7b/up"].flatMap((name) =>
    [2, 3, 4, 5, 6, 8, 12, 16, 64].map((M) =>
      blockwise(
        "qb4w",
        LAYERS.find((shape) => shape.name === name)!,
        M,
      ),
    ),
  ),
  // What the group size costs, on one shape.
  ...[32, 64].flatMap((G) => {
    const down = { ...LAYERS.find(({ name }) => name === "smollm2-135m/down")!, G };
    return [blockwise("qb4w", down, down.M), blockwise("qb4w", down, 1)];
  }),
  ...LAYERS.filter(({ name }) => name.startsWith("smollm2-135m") || name === "llama-2-7b/up").flatMap((shape) => [
    blockwise("qb4fw", shape, shape.M),
    blockwise("qb4fw", shape, 1),
  ]),
  // The head's input has 14 bits; 8 bits are what W8A8 layers of as many channels would take.
  ...HEADS.flatMap((shape) => ([14, 8] as const).flatMap((bits) => [qc8w(shape, shape.M, bits), qc8w(shape, 1, bits)])),
  ...[2, 4, 8, 16].map((M) => qc8w(HEADS[0]!, M, 14)),
];
