/** Packing while loading: bytes of compressed-tensors words read and of panels written. */
import type { BenchRow } from "../bench-row.ts";
import { HEADS, LAYERS } from "../shapes.ts";

const [layer, head] = [LAYERS.find(({ name }) => name === "smollm2-135m/up")!, HEADS[0]!];

export const rows: BenchRow[] = [
  {
    name: `pack_qb4w ${layer.name} G=${layer.G}`,
    prepare(bench) {
      const { N, K, G } = layer;
      const [source, scales] = [bench.noise((N * K) / 2), bench.floats((N * K) / G)];
      const packed = bench.reserve(bench.run.packed_bytes_qb4w(N, K, G));
      return { bytes: N * K, run: () => bench.run.pack_qb4w(source, scales, packed, 0, N, N, K, G) };
    },
  },
  {
    name: `pack_qc8w ${head.name}`,
    prepare(bench) {
      const { N, K } = head;
      const [source, scales] = [bench.noise(N * K), bench.floats(N)];
      const packed = bench.reserve(bench.run.packed_bytes_qc8w(N, K));
      return { bytes: 2 * N * K, run: () => bench.run.pack_qc8w(source, scales, packed, 0, N, N, K) };
    },
  },
];
