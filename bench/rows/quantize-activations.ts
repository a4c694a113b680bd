/** Quantization of activations: bytes read and written, f32 in and int8 out. */
import type { BenchRow } from "../bench-row.ts";
import { MODELS } from "../shapes.ts";

const M = 64;

export const rows: BenchRow[] = MODELS.flatMap(({ name, hidden: K }) =>
  (["quantize_f32_qd8", "quantize_f32_qs8"] as const).map((kernel) => ({
    name: `${kernel} ${name} M=${M} K=${K}`,
    prepare(bench) {
      const G = 64;
      const { run } = bench;
      const [x, q, scales, sums] = [
        bench.floats(M * K),
        bench.reserve(M * K),
        bench.reserve(4 * M),
        bench.reserve((4 * M * K) / G),
      ];
      return {
        bytes: 5 * M * K,
        run:
          kernel === "quantize_f32_qd8"
            ? () => run.quantize_f32_qd8(x, q, scales, sums, K, G, 0, M)
            : () => run.quantize_f32_qs8(x, q, scales, sums, K, G, 1 / 127, 0, M),
      };
    },
  })),
);
