/**
 * Attention over an int8 cache: a block of a prompt; one row far into a context, where the cache's bytes are
 * the work; one row of each of several sequences. And the rows that a prompt appends to such a cache.
 */
import { NULL, type Pointer } from "../../src/kernels/pointer.ts";
import type { BenchMemory, BenchRow } from "../bench-row.ts";
import { MODELS } from "../shapes.ts";

const CASES = [
  { sequences: 1, rows: 64, position: 448 },
  { sequences: 1, rows: 1, position: 4095 },
  { sequences: 8, rows: 1, position: 511 },
];
// A fifth of the range: noise over all of it makes attention to one token only.
const KV_SCALE = 1 / 500;

const attention = MODELS.flatMap(({ name, heads: H, kvHeads: Hkv, headDim: D }) =>
  CASES.map(({ sequences, rows: each, position }): BenchRow => ({
    name: `attention_f32_kqs8_vqs8 ${name} M=${each} position=${position}${sequences > 1 ? ` sequences=${sequences}` : ""}`,
    prepare(bench) {
      const { run } = bench;
      const [S, M] = [position + each, sequences * each];
      const stride = H * D;
      const q = bench.floats(M * stride);
      const [k, v] = [cache(bench, "k", sequences * S, Hkv, D), cache(bench, "v", sequences * S, Hkv, D)];
      const [y, scratch] = [bench.reserve(4 * M * stride), bench.reserve(run.attention_scratch_bytes(M, S, D))];
      const rows = bench.rows(sequences, each, position);
      return {
        ...(each === 1 ? { bytes: 2 * Hkv * S * D * sequences } : { macs: 2 * M * H * D * (position + M / 2) }),
        run: () =>
          run.attention_f32_kqs8_vqs8(
            q, k, v, y, rows, NULL, M, stride, H, Hkv, D, S, 0, KV_SCALE, KV_SCALE, 0, H * M, scratch,
          ), // prettier-ignore
      };
    },
  })),
);

/** A pool for that many tokens. */
function cache(bench: BenchMemory, part: "k" | "v", tokens: number, Hkv: number, D: number): Pointer {
  return bench.noise(bench.run[`${part}_cache_bytes_qs8`](Hkv, tokens, D));
}

const append = MODELS.flatMap(({ name, kvHeads: Hkv, headDim: D }) =>
  (["k", "v"] as const).map((part): BenchRow => {
    const M = 64;
    return {
      name: `append_${part}_qs8 ${name} M=${M}`,
      prepare(bench) {
        const x = bench.floats(M * Hkv * D);
        const [pool, rows] = [cache(bench, part, 512, Hkv, D), bench.rows(1, M, 448)];
        const run = () => bench.run[`append_${part}_qs8`](x, pool, rows, Hkv * D, Hkv, D, 1 / 64, 0, M);
        return { bytes: 5 * M * Hkv * D, run };
      },
    };
  }),
);

export const rows: BenchRow[] = [...attention, ...append];
