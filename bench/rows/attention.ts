/** Attention over an int8 cache: a block of a prompt, and one row far into a context, where the cache's bytes are the work. */
import type { BenchRow } from "../bench-row.ts";
import { MODELS } from "../shapes.ts";

const CASES = [
  { rows: 64, position: 448 },
  { rows: 1, position: 4095 },
];

export const rows: BenchRow[] = MODELS.flatMap(({ name, heads: H, kvHeads: Hkv, headDim: D }) =>
  CASES.map(({ rows: M, position }): BenchRow => ({
    name: `attention_f32_kqs8_vqs8 ${name} M=${M} position=${position}`,
    prepare(bench) {
      const { run } = bench;
      const S = position + M;
      const stride = H * D;
      const q = bench.floats(M * stride);
      // A fifth of the range: noise over all of it makes attention to one token only.
      const kScale = 1 / 500;
      const [k, v] = [bench.noise(run.k_cache_bytes_qs8(Hkv, S, D)), bench.noise(run.v_cache_bytes_qs8(Hkv, S, D))];
      const [y, scratch] = [bench.reserve(4 * M * stride), bench.reserve(run.attention_scratch_bytes(M, S, D))];
      return {
        ...(M === 1 ? { bytes: 2 * Hkv * S * D } : { macs: 2 * M * H * D * (position + M / 2) }),
        run: () =>
          run.attention_f32_kqs8_vqs8(q, k, v, y, M, position, stride, H, Hkv, D, S, 0, kScale, kScale, 0, H * M, scratch),
      };
    },
  })),
);
