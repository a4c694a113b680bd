/**
 * The links of the sampling chain, each a pure function over arrays that the caller owns: nothing here is
 * allocated per token.
 *
 * Candidates are ids in ranked order: descending logit, ascending id among equals. Each filter after the
 * ranking keeps a prefix. Only IEEE-exact operations (+ - * / and comparison), so that every engine keeps the
 * same tokens.
 */
import { NumericError } from "../../errors.ts";
import type { OccurrencePenalty, RepetitionPenalty } from "./sampling.ts";

/** Ids are packed below a logit's 32 bits into the 53 bits of a double. */
export const MAX_VOCABULARY = 2 ** 21;

/** @throws NumericError naming the first logit that is NaN or infinite */
export function checkFinite(logits: Float32Array): void {
  let sum = 0;
  for (let id = 0; id < logits.length; id++) {
    const x = logits[id]!;
    sum += x - x; // 0 if finite, otherwise NaN
  }
  if (sum === 0) return;
  const id = logits.findIndex((x) => !Number.isFinite(x));
  throw new NumericError(`logits: got ${logits[id]} for token ${id}, need finite numbers`);
}

/**
 * Repetition penalty by llama.cpp's rule (`llama_sampler_penalties_apply`): the logit of every distinct token
 * among the last `lastN` of the sequence is divided by the penalty if positive, multiplied if not, whatever
 * the number of its occurrences. After Keskar et al., "CTRL", 2019, section 4.1, who only divide.
 *
 * @param logits f32[V], changed in place
 * @param stamps u32[V], zero before the first call and not touched by anyone else: the step at which a token
 *   was last penalized
 * @param step 1, 2, 3 ... in successive calls
 */
export function penalizeRepetition(
  logits: Float32Array,
  sequence: readonly number[],
  { penalty, lastN }: RepetitionPenalty,
  stamps: Uint32Array,
  step: number,
): void {
  const divisor = Math.fround(penalty);
  for (let i = sequence.length > lastN ? sequence.length - lastN : 0; i < sequence.length; i++) {
    const id = sequence[i]!;
    if (stamps[id] === step) continue;
    stamps[id] = step;
    const logit = logits[id]!;
    logits[id] = logit <= 0 ? logit * divisor : logit / divisor;
  }
}

/**
 * Presence and frequency penalty by OpenAI's rule ("Parameter details" of its API reference): the logit of a
 * token that was generated c times is lowered by c * frequency, and once by presence.
 *
 * @param logits f32[V], changed in place
 * @param generated ids that were generated so far
 */
export function penalizeOccurrences(
  logits: Float32Array,
  generated: readonly number[],
  { presence, frequency }: OccurrencePenalty,
): void {
  const counts = new Map<number, number>();
  for (const id of generated) counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const [id, count] of counts) logits[id]! -= count * frequency + presence;
}

/**
 * Top-k: the k tokens with the largest logits, ranked.
 *
 * A bounded heap, so that one pass over V compares floats and rarely does more; for k near V, the engine's
 * own sort.
 *
 * @param logits f32[V], finite
 * @param ids u32[V], receives the candidates
 * @param ranks f64[V], scratch
 * @returns how many: min(k, V)
 */
export function topK(logits: Float32Array, k: number, ids: Uint32Array, ranks: Float64Array): number {
  const V = logits.length;
  const count = k < V ? k : V;
  if (count > V / 8) {
    for (let id = 0; id < V; id++) ranks[id] = rank(logits[id]!, id);
    sortDescending(ranks.subarray(0, V));
  } else {
    heapOfLargest(logits, count, ranks);
    sortDescending(ranks.subarray(0, count));
  }
  for (let i = 0; i < count; i++) ids[i] = MAX_VOCABULARY - 1 - (ranks[i]! % MAX_VOCABULARY);
  return count;
}

/**
 * Top-p, the nucleus (Holtzman et al., "The curious case of neural text degeneration", 2020, section 3.1):
 * the smallest ranked prefix whose probability reaches p of `mass`.
 *
 * @param mass sum of the probabilities that count as the whole
 * @returns how many to keep, at least 1; undefined if all `count` candidates together do not reach it
 */
export function topP(probabilities: Float32Array, ids: Uint32Array, count: number, p: number, mass: number): number | undefined {
  const enough = p * mass;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += probabilities[ids[i]!]!;
    if (sum >= enough) return i + 1;
  }
  return undefined;
}

/**
 * Min-p (Nguyen et al., "Turning up the heat: min-p sampling", 2024): the ranked candidates at least p times
 * as likely as the first.
 *
 * @returns how many to keep, at least 1
 */
export function minP(probabilities: Float32Array, ids: Uint32Array, count: number, p: number): number {
  const least = p * probabilities[ids[0]!]!;
  let kept = 1;
  while (kept < count && probabilities[ids[kept]!]! >= least) kept++;
  return kept;
}

/** Sum over the candidates, in their order. */
export function sumOf(probabilities: Float32Array, ids: Uint32Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += probabilities[ids[i]!]!;
  return sum;
}

/**
 * The candidate at which the running sum of probabilities passes the share `uniform`, in [0, 1), of their
 * total.
 */
export function draw(probabilities: Float32Array, ids: Uint32Array, count: number, uniform: number): number {
  const target = uniform * sumOf(probabilities, ids, count);
  let sum = 0;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const probability = probabilities[ids[i]!]!;
    if (probability === 0) continue;
    sum += probability;
    last = i;
    if (sum > target) break;
  }
  // If uniform * total was rounded up to the total, no sum is larger: the last possible candidate it is.
  return ids[last]!;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * A double that orders like (logit ascending, id descending): 32 bits of ordered float, 21 bits of reversed
 * id, exact in 53.
 */
function rank(logit: number, id: number): number {
  float[0] = logit + 0; // -0 equals +0
  const b = bits[0]!;
  const ordered = b & 0x80000000 ? ~b >>> 0 : b + 0x80000000;
  return ordered * MAX_VOCABULARY + (MAX_VOCABULARY - 1 - id);
}

/** Sorts in place. Without a comparator the engine sorts numbers natively. */
function sortDescending(values: Float64Array): void {
  values.sort(); // oxlint-disable-line unicorn/no-array-sort
  values.reverse(); // oxlint-disable-line unicorn/no-array-reverse
}

/** ranks[0..count) becomes a min-heap of the `count` largest ranks. */
function heapOfLargest(logits: Float32Array, count: number, ranks: Float64Array): void {
  for (let id = 0; id < count; id++) ranks[id] = rank(logits[id]!, id);
  for (let i = (count >> 1) - 1; i >= 0; i--) siftDown(ranks, i, count);
  const leastLogit = () => logits[MAX_VOCABULARY - 1 - (ranks[0]! % MAX_VOCABULARY)]!;
  let least = leastLogit();
  for (let id = count; id < logits.length; id++) {
    // An equal logit with a later id ranks lower, so only a larger one can enter.
    if (!(logits[id]! > least)) continue;
    ranks[0] = rank(logits[id]!, id);
    siftDown(ranks, 0, count);
    least = leastLogit();
  }
}

function siftDown(heap: Float64Array, parent: number, count: number): void {
  const moved = heap[parent]!;
  for (;;) {
    let child = 2 * parent + 1;
    if (child >= count) break;
    if (child + 1 < count && heap[child + 1]! < heap[child]!) child++;
    if (moved <= heap[child]!) break;
    heap[parent] = heap[child]!;
    parent = child;
  }
  heap[parent] = moved;
}
