/** Rows with their columns in another order, and the sums of their groups: against the definition. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mulberry32 } from "../random.ts";
import { KernelMemory, SIMD_BUILDS, type TestedBuild } from "./kernel-memory.ts";
import { groupSums, randomRows } from "./quantized-rows.ts";

const BUILDS: TestedBuild[] = ["scalar", ...SIMD_BUILDS];
const test = suite("gather columns (seed 67)");
const random = mulberry32(67);

/** All columns once, in no order. */
function shuffled(K: number): Int32Array {
  const columns = Int32Array.from({ length: K }, (_, k) => k);
  for (let k = K - 1; k > 0; k--) {
    const other = Math.floor((k + 1) * random());
    [columns[k], columns[other]] = [columns[other]!, columns[k]!];
  }
  return columns;
}

for (const G of [16, 32, 128]) {
  for (const groups of [1, 2, 5]) {
    for (const M of [0, 1, 2, 5]) {
      const K = groups * G;
      test(`M=${M} K=${K} G=${G}: every column in its new place, in one piece and row by row`, () => {
        const rows = randomRows(random, M, K, 8);
        const columns = shuffled(K);
        const expected = rows.q.map((_, i) => rows.q[Math.floor(i / K) * K + columns[i % K]!]!) as Int8Array;
        const sums = groupSums({ ...rows, q: expected }, G);
        for (const build of BUILDS) {
          for (const ranges of [[[0, M]], Array.from({ length: M }, (_, m) => [m, m + 1])]) {
            const kernel = new KernelMemory(build);
            const [q, order] = [kernel.put(rows.q, 1), kernel.put(columns)];
            const [y, sumsAt] = [kernel.region(M * K), kernel.region(4 * M * groups)];
            for (const [begin, end] of ranges) kernel.run.gather_qd8(q, order, y, sumsAt, K, G, begin!, end!);
            assert.equal(kernel.i8(y, M * K), expected, build);
            assert.equal(kernel.i32(sumsAt, M * groups), sums, `${build}: sums`);
            assert.ok(kernel.untouched(), `${build} wrote past the end of a region`);
          }
        }
      });
    }
  }
}

test.run();
