import { suite } from "uvu";
import { assertSameBits } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(13);
const gaussian = normal(random);
const test = suite("embed (seed 13)");

test("embed_f32w returns the rows that were packed", () => {
  for (const [V, E] of [
    [1, 1],
    [7, 4],
    [8, 5],
    [19, 12],
    [33, 64],
  ] as const) {
    const table = fill(V * E, gaussian);
    for (const ids of [[], [V - 1], [0, V - 1, 0, V >> 1], Array.from({ length: V }, (_, i) => V - 1 - i)]) {
      const y = onBothBuilds(`V=${V} E=${E}`, (kernels) => {
        const packed = kernels.region(kernels.run.packed_bytes_f32w(V, E));
        kernels.run.pack_f32w(kernels.put(table), packed, 0, V, V, E);
        const out = kernels.region(4 * ids.length * E);
        kernels.run.embed_f32w(kernels.put(Int32Array.from(ids)), packed, out, ids.length, V, E);
        return kernels.f32(out, ids.length * E);
      });
      assertSameBits(
        y,
        Float32Array.from(ids.flatMap((id) => Array.from(table.subarray(id * E, (id + 1) * E)))),
        `V=${V} E=${E}`,
      );
    }
  }
});

test("embed_qc8w returns scale * q of each row, rounded once", () => {
  for (const [V, E] of [
    [1, 4],
    [7, 8],
    [8, 12],
    [19, 20],
    [33, 64],
  ] as const) {
    const q = Int8Array.from({ length: V * E }, () => Math.floor(256 * random()) - 128);
    const scales = fill(V, () => 10 ** (6 * random() - 3));
    // The panel written out by the rule in layout.ts: eight scales, eight offsets, then for four k at a time
    // four bytes of each channel.
    const panels = Math.ceil(V / 8);
    const packed = new DataView(new ArrayBuffer(panels * (64 + 8 * E)));
    for (let n = 0; n < V; n++) {
      const panel = (n >> 3) * (64 + 8 * E);
      packed.setFloat32(panel + 4 * (n & 7), scales[n]!, true);
      for (let k = 0; k < E; k++) packed.setInt8(panel + 64 + 32 * (k >> 2) + 4 * (n & 7) + (k & 3), q[n * E + k]!);
    }
    const ids = Int32Array.from([V - 1, 0, V >> 1, V - 1]);
    const y = onBothBuilds(`V=${V} E=${E}`, (kernels) => {
      const table = kernels.put(new Uint8Array(packed.buffer));
      const out = kernels.region(4 * ids.length * E);
      kernels.run.embed_qc8w(kernels.put(ids), table, out, ids.length, V, E);
      return kernels.f32(out, ids.length * E);
    });
    const expected = [...ids].flatMap((id) => Array.from(q.subarray(id * E, (id + 1) * E), (value) => value * scales[id]!));
    assertSameBits(
      y,
      Float32Array.from(expected, (value) => value + 0),
      `V=${V} E=${E}`,
    );
  }
});

test.run();
