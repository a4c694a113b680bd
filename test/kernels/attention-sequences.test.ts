/**
 * Rows of several sequences in one call: each has the bits it has when its sequence runs alone, wherever the
 * blocks are and whoever shares them.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ATTENTION_KINDS, attentionOracle, type AttentionInput, type AttentionKind } from "../oracle/attention.ts";
import { assertSameBits, assertWithin } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { alibiSlopes, type Fork, runAttention, runSequences, sharpInput } from "./attention-run.ts";
import { SIMD_BUILDS } from "./kernel-memory.ts";

const SEED = 41;
const test = suite(`attention of several sequences (seed ${SEED})`);
const random = mulberry32(SEED);
const gaussian = normal(random);

/** Around the tile of four rows, the vector of eight tokens and the block of 64. */
const LENGTHS = [71, 1, 130, 64, 5];
/**
 * Heads in groups; one for all; each with its own keys and values, as many as a tile has rows, fewer and
 * more.
 */
const HEADS = [[4, 2], [3, 1], [1, 1], [3, 3], [4, 4], [6, 6], [9, 9]] as const; // prettier-ignore

type Shape = Partial<Pick<AttentionInput, "H" | "Hkv" | "D" | "window" | "slopes">>;
const inputs = (kind: AttentionKind, shape: Shape) => LENGTHS.map((T) => sharpInput(gaussian, kind, { ...shape, T }));

/** Calls until all rows are done, of each sequence `take()` rows while it has so many. */
function schedule(lengths: readonly number[], take: (sequence: number) => number): number[][] {
  const left = [...lengths];
  const calls: number[][] = [];
  while (left.some((rows) => rows > 0)) {
    const call = left.map((rows, sequence) => Math.min(rows, take(sequence)));
    call.forEach((rows, sequence) => (left[sequence]! -= rows));
    calls.push(call);
  }
  return calls;
}

const SCHEDULES: Record<string, (lengths: readonly number[]) => number[][]> = {
  "one row of each": (lengths) => schedule(lengths, () => 1),
  "some rows of each, or none": (lengths) => schedule(lengths, () => Math.floor(7 * random())),
  "whole prompts at once": (lengths) => schedule(lengths, () => Infinity),
  "prompts beside single rows": (lengths) => schedule(lengths, (sequence) => (sequence % 2 === 0 ? 1 : 9)),
};

for (const build of SIMD_BUILDS) {
  for (const kind of ATTENTION_KINDS) {
    test(`${build} ${kind}: rows of a batch have the bits of their sequence alone, and of the twin`, () => {
      for (const [i, [H, Hkv]] of HEADS.entries()) {
        const slopes = alibiSlopes(H);
        const shape: Shape = { H, Hkv, D: [8, 16, 24][i % 3]!, window: [0, 5, 0, 64][i % 4]!, ...(i % 2 === 1 && { slopes }) };
        const sequences = inputs(kind, shape);
        const alone = sequences.map((input) => runAttention(build, input, [input.T]).y);
        sequences.forEach((input, j) => {
          const { y, bound } = attentionOracle(input);
          assertWithin(alone[j]!, y, (k) => bound[k]!, `${H} heads over ${Hkv}, sequence ${j}`);
        });
        for (const [name, calls] of Object.entries(SCHEDULES)) {
          for (const splits of [[], H > 2 ? [1, 2] : [], H > 1 ? [H - 1] : []]) {
            const { y, untouched } = runSequences(build, sequences, calls(LENGTHS), { splits });
            assert.ok(untouched, "wrote past the end of a region");
            const what = `${H} heads over ${Hkv}, ${name}, split at ${splits}`;
            y.forEach((rows, j) => assertSameBits(rows, alone[j]!, `${what}: sequence ${j}`));
          }
        }
        const { y } = runSequences("scalar", sequences, SCHEDULES["whole prompts at once"]!(LENGTHS), {});
        y.forEach((rows, j) => assertSameBits(rows, alone[j]!, `scalar twin: sequence ${j}`));
      }
    });

    test(`${build} ${kind}: sequences that begin alike share blocks`, () => {
      const [T, shared] = [150, [0, 64, 100, 128, 149]];
      for (const [H, Hkv] of [
        [4, 2],
        [5, 5],
      ] as const) {
        // prettier-ignore
        const stride = (H + 2 * Hkv) * 16;
        const sequences = shared.map(() => sharpInput(gaussian, kind, { T, H, Hkv, D: 16 }));
        // Each follows the first one so far; the last follows the one before it, which is a fork itself.
        const forks = shared.map((tokens, i): Fork | undefined =>
          i === 0 ? undefined : { of: i === shared.length - 1 ? i - 1 : 0, tokens },
        );
        forks.forEach((fork, i) => {
          if (fork) sequences[i]!.qkv.set(sequences[fork.of]!.qkv.subarray(0, fork.tokens * stride));
        });
        const left = shared.map((tokens) => T - tokens);
        const [first, last] = [0, shared.length - 1];
        const calls = [
          shared.map((_, i) => (i === first ? T : 0)),
          ...schedule(left.map((rows, i) => (i === first || i === last ? 0 : rows)), () => 1 + Math.floor(6 * random())),
          shared.map((_, i) => (i === last ? left[last]! : 0)),
        ]; // prettier-ignore
        const { y, untouched } = runSequences(build, sequences, calls, { forks });
        assert.ok(untouched, "wrote past the end of a region");
        sequences.forEach((input, i) => {
          const own = shared[i]! * H * 16;
          const alone = runAttention(build, input, [T]).y;
          assertSameBits(y[i]!.subarray(own), alone.subarray(own), `${H} heads over ${Hkv}: fork at ${shared[i]}`);
        });
      }
    });

    test(`${build} ${kind}: NaN in one sequence reaches no other`, () => {
      for (const [H, Hkv] of [
        [4, 2],
        [4, 4],
      ] as const) {
        // prettier-ignore
        const sequences = inputs(kind, { H, Hkv, D: 16 });
        const calls = SCHEDULES["some rows of each, or none"]!(LENGTHS);
        const clean = runSequences(build, sequences, calls, {}).y;
        sequences[2]!.qkv.fill(NaN);
        const { y } = runSequences(build, sequences, calls, {});
        assert.ok(y[2]!.every(Number.isNaN));
        y.forEach((rows, j) => j !== 2 && assertSameBits(rows, clean[j]!, `sequence ${j}`));
      }
    });
  }
}

test.run();
