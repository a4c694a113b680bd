/**
 * Linear layers over weights that are kept as a file has them, in the group sizes files have: prefill by GEMM
 * in multiply-accumulates, decode by GEMV in bytes of packed weights; and their packing.
 */
import { NULL, type Pointer } from "../../src/kernels/pointer.ts";
import type { BenchMemory, BenchRow } from "../bench-row.ts";
import { LAYERS, type LinearShape } from "../shapes.ts";
import { quantizedRows } from "./linear-qd8.ts";

type Kept = "qb8w" | "qb4zw" | "qb4mw" | "qb4aw" | "qb8aw";

/** Bytes of w[N, K], and what packs it, from noise. `G`: k of a group, or of a superblock. */
function source(bench: BenchMemory, kind: Kept, { N, K, G }: LinearShape): { bytes: number; pack(w: Pointer): void } {
  const { run } = bench;
  if (kind === "qb8w") {
    const [codes, scales] = [bench.noise(N * K), bench.floats((N * K) / G)];
    return { bytes: run.packed_bytes_qb8w(N, K, G), pack: (w) => run.pack_qb8w(codes, scales, w, 0, N, N, K, G) };
  }
  if (kind === "qb8aw") {
    const [codes, affine] = [bench.noise(N * K), bench.floats((2 * N * K) / G)];
    return { bytes: run.packed_bytes_qb8aw(N, K, G), pack: (w) => run.pack_qb8aw(codes, affine, w, 0, N, N, K, G) };
  }
  const codes = bench.noise((N * K) / 2);
  if (kind === "qb4aw") {
    const halves = bench.halves((2 * N * K) / G);
    return { bytes: run.packed_bytes_qb4aw(N, K, G), pack: (w) => run.pack_qb4aw(codes, halves, w, 0, N, N, K, G) };
  }
  if (kind === "qb4zw") {
    const [scales, zeros] = [bench.floats((N * K) / G), bench.noise((N * K) / G)];
    return { bytes: run.packed_bytes_qb4zw(N, K, G), pack: (w) => run.pack_qb4zw(codes, scales, zeros, w, 0, N, N, K, G) };
  }
  const [scales, minima] = [bench.noise((N * K) / 32), bench.noise((N * K) / 32)];
  const multipliers = bench.floats((2 * N * K) / G);
  return {
    bytes: run.packed_bytes_qb4mw(N, K, G),
    pack: (w) => run.pack_qb4mw(codes, scales, minima, multipliers, w, 0, N, N, K, G),
  };
}

function linear(kind: Kept, shape: LinearShape, M: number): BenchRow {
  const { N, K, G } = shape;
  const panels = Math.ceil(N / 8);
  const kernel = M === 1 ? `gemv_qd8_f32_${kind}_1x8c4` : `gemm_qd8_f32_${kind}_x8c4`;
  return {
    name: `${kernel} ${shape.name} ${kind === "qb4mw" ? "B" : "G"}=${G}${M === 1 ? "" : ` M=${M}`}`,
    split: true,
    prepare(bench) {
      const { q, scales, sums, y, scratchBytes } = quantizedRows(bench, kind === "qb4mw" ? { ...shape, G: 32 } : shape, M);
      const { bytes, pack } = source(bench, kind, shape);
      const w = bench.reserve(bytes);
      pack(w);
      if (kind === "qb8w") {
        const [gemv, gemm] = ["gemv_qd8_f32_qb8w_1x8c4", "gemm_qd8_f32_qb8w_x8c4"] as const;
        return M === 1
          ? { bytes, run: bench.split(gemv, panels, scratchBytes, q, scales, w, NULL, y, N, K, G) }
          : { macs: M * N * K, run: bench.split(gemm, panels, scratchBytes, q, scales, w, NULL, y, M, N, K, G) };
      }
      const [gemv, gemm] = [`gemv_qd8_f32_${kind}_1x8c4`, `gemm_qd8_f32_${kind}_x8c4`] as const;
      return M === 1
        ? { bytes, run: bench.split(gemv, panels, scratchBytes, q, scales, sums, w, NULL, y, N, K, G) }
        : { macs: M * N * K, run: bench.split(gemm, panels, scratchBytes, q, scales, sums, w, NULL, y, M, N, K, G) };
    },
  };
}

function packing(kind: Kept, shape: LinearShape): BenchRow {
  return {
    name: `pack_${kind} ${shape.name} ${kind === "qb4mw" ? "B" : "G"}=${shape.G}`,
    prepare(bench) {
      const { bytes, pack } = source(bench, kind, shape);
      const packed = bench.reserve(bytes);
      return { bytes: 2 * bytes, run: () => pack(packed) };
    },
  };
}

/** What files have: Q8_0 and Q6_K; AWQ and GPTQ; Q4_K; Q4_1; Q5_K and Q5_1, Q2_K. */
const SIZES: readonly (readonly [Kept, number])[] = [
  ["qb8w", 32],
  ["qb8w", 16],
  ["qb4zw", 128],
  ["qb4zw", 32],
  ["qb4mw", 256],
  ["qb4mw", 32],
  ["qb4aw", 32],
  ["qb8aw", 32],
  ["qb8aw", 16],
];
const shapes = LAYERS.filter(({ name }) => name === "smollm2-135m/down" || name === "llama-3.2-1b/up");

const FEW_ROWS = [2, 3, 4, 5, 6, 8, 12, 16, 64];

/** Rows put in the order of groups: bytes read and written. */
function gathering({ name, M, K }: LinearShape): BenchRow {
  return {
    name: `gather_qd8 ${name} M=${M} K=${K}`,
    prepare(bench) {
      const G = 128;
      const [q, columns, y] = [bench.noise(M * K), bench.reserve(4 * K), bench.reserve(M * K)];
      const sums = bench.reserve((4 * M * K) / G);
      // Every 37th column, around and around: 37 divides no size here.
      bench.i32(columns, K).forEach((_, k, order) => (order[k] = (37 * k) % K));
      return { bytes: 2 * M * K, run: () => bench.run.gather_qd8(q, columns, y, sums, K, G, 0, M) };
    },
  };
}

export const rows: BenchRow[] = [
  ...shapes.map(gathering),
  ...shapes.flatMap((shape) =>
    SIZES.flatMap(([kind, G]) => [linear(kind, { ...shape, G }, shape.M), linear(kind, { ...shape, G }, 1)]),
  ),
  // Our own checkpoints: a superblock is a whole row. Few rows: sequences side by side, drafts.
  ...shapes.flatMap((shape) => [shape.M, 1, ...FEW_ROWS].map((M) => linear("qb4mw", { ...shape, G: shape.K }, M))),
  ...([["qb8w", 32], ["qb4zw", 128], ["qb4mw", 256], ["qb4aw", 32], ["qb8aw", 32]] as const).map(([kind, G]) => packing(kind, { ...shapes[0]!, G })), // prettier-ignore
];
