/**
 * Attention over an int8 cache, static or with a scale for each token and head: a block of a prompt; one row
 * far into a context, where the cache's bytes are the work; one row of each of several sequences. And the
 * rows that a prompt appends to such a cache.
 */
import { NULL, offsetBy, type Pointer } from "../../src/kernels/pointer.ts";
import type { BenchMemory, BenchRow } from "../bench-row.ts";
import { MODELS } from "../shapes.ts";

const CASES = [
  { sequences: 1, rows: 64, position: 448 },
  { sequences: 1, rows: 1, position: 4095 },
  { sequences: 8, rows: 1, position: 511 },
];
// A fifth of the range: noise over all of it makes attention to one token only.
const KV_SCALE = 1 / 500;

type Kind = "qs8" | "qd8";
const KINDS: readonly Kind[] = ["qs8", "qd8"];

const attention = MODELS.flatMap(({ name, heads: H, kvHeads: Hkv, headDim: D }) =>
  CASES.flatMap(({ sequences, rows: each, position }) =>
    KINDS.map((kind): BenchRow => ({
      name: `attention_f32_k${kind}_v${kind} ${name} M=${each} position=${position}${sequences > 1 ? ` sequences=${sequences}` : ""}`,
      prepare(bench) {
        const { run } = bench;
        const [S, M] = [position + each, sequences * each];
        const stride = H * D;
        const q = bench.floats(M * stride);
        const [k, v] = [cache(bench, `k_${kind}`, sequences * S, Hkv, D), cache(bench, `v_${kind}`, sequences * S, Hkv, D)];
        const [y, scratch] = [bench.reserve(4 * M * stride), bench.reserve(run.attention_scratch_bytes(M, S, D))];
        const rows = bench.rows(sequences, each, position);
        return {
          ...(each === 1 ? { bytes: 2 * Hkv * S * D * sequences } : { macs: 2 * M * H * D * (position + M / 2) }),
          run: () =>
          run[`attention_f32_k${kind}_v${kind}`](
            q, k, v, y, rows, NULL, M, stride, H, Hkv, D, S, 0, Math.sqrt(D), 0, KV_SCALE, KV_SCALE, 0, H * M, scratch,
          ), // prettier-ignore
        };
      },
    })),
  ),
);

/** A pool for that many tokens, the scales of a dynamic one all alike. */
function cache(bench: BenchMemory, type: `${"k" | "v"}_${Kind}`, tokens: number, Hkv: number, D: number): Pointer {
  const [part, kind] = type.split("_") as ["k" | "v", Kind];
  const bytes = bench.run[`${part}_cache_bytes_${kind}`](Hkv, tokens, D);
  const pool = bench.noise(bytes);
  if (kind === "qs8") return pool;
  const headBytes = 64 * (D + 4);
  for (let head = 0; head < bytes / headBytes; head++) {
    bench.f32(offsetBy(pool, head * headBytes + 64 * D), 64).fill(KV_SCALE);
  }
  return pool;
}

const append = MODELS.flatMap(({ name, kvHeads: Hkv, headDim: D }) =>
  (["k_qs8", "v_qs8", "k_qd8", "v_qd8"] as const).map((type): BenchRow => {
    const M = 64;
    return {
      name: `append_${type} ${name} M=${M}`,
      prepare(bench) {
        const x = bench.floats(M * Hkv * D);
        const [pool, rows] = [cache(bench, type, 512, Hkv, D), bench.rows(1, M, 448)];
        const run = () => {
          if (type === "k_qs8" || type === "v_qs8") bench.run[`append_${type}`](x, pool, rows, Hkv * D, Hkv, D, 1 / 64, 0, M);
          else bench.run[`append_${type}`](x, pool, rows, Hkv * D, Hkv, D, 0, M);
        };
        return { bytes: 5 * M * Hkv * D, run };
      },
    };
  }),
);

export const rows: BenchRow[] = [...attention, ...append];
