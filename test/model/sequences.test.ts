/**
 * Many sequences in one model: each has the bits it has alone, whatever goes through the model with it,
 * shares its blocks, or takes its place in the cache. Lengths end in blocks of 64 tokens, at their ends and
 * beyond; chunks of 48 rows end in the middle of blocks.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { AbortError, CapacityError, CheckpointError, DisposedError, NumericError, OptionError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import type { Sequence } from "../../src/model/sequences/sequence.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { SIMD_BUILDS } from "../kernels/kernel-memory.ts";
import { quantizedTinyModel } from "../quantized-tiny-model.ts";
import { mulberry32 } from "../random.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 83;
const test = suite(`sequences (seed ${SEED})`);
const random = mulberry32(SEED);

const floats = await openSafetensorsCheckpoint(tinyModel(SEED));
const quantized = await quantizedTinyModel(SEED);
const perToken = await quantizedTinyModel(SEED, { kvCache: "q8t" });
const V = floats.config.vocabSize;
const LENGTHS = [1, 2, 63, 64, 65, 100, 127, 129];

const drawIds = (count: number) => Array.from({ length: count }, () => Math.floor(random() * V));
const load = (checkpoint: Checkpoint, options: LoadOptions = {}) =>
  Transformer.load(checkpoint, nodeHost, { threads: 1, contextSize: 256, chunkSize: 48, cacheTokens: 4096, ...options });

/** Logits of the last id of each call: of `begin` ids, then of one more at a time. */
async function run(sequence: Sequence, ids: readonly number[], begin: number): Promise<Float32Array[]> {
  const found = [(await sequence.forward(ids.slice(0, begin), { logits: "last" }))!];
  for (const id of ids.slice(begin)) found.push((await sequence.forward([id], { logits: "last" }))!);
  return found;
}

async function alone(
  checkpoint: Checkpoint,
  texts: readonly (readonly number[])[],
  begins: readonly number[],
): Promise<Float32Array[][]> {
  const model = await load(checkpoint);
  const found: Float32Array[][] = [];
  for (const [i, ids] of texts.entries()) {
    using sequence = model.createSequence();
    found.push(await run(sequence, ids, begins[i]!));
  }
  await model.dispose();
  return found;
}

function assertSame(found: readonly Float32Array[], expected: readonly Float32Array[], what: string): void {
  assert.is(found.length, expected.length, what);
  for (const [step, logits] of found.entries()) {
    const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);
    const [a, b] = [bits(logits), bits(expected[step]!)];
    const differs = a.findIndex((word, i) => word !== b[i]);
    if (differs >= 0)
      assert.unreachable(`${what}: step ${step}: logit ${differs}: ${logits[differs]}, alone ${expected[step]![differs]}`);
  }
}

for (const [kind, checkpoint] of [
  ["floats", floats],
  ["W4A8", quantized],
  ["W4A8, cache scales per token and head", perToken],
] as const) {
  for (const count of [2, 3, 8, 17]) {
    const begins = Array.from({ length: count }, (_, i) => LENGTHS[(i + count) % LENGTHS.length]!);
    const texts = begins.map((begin) => drawIds(begin + 5));
    const expected = alone(checkpoint, texts, begins);
    test(`${kind}: ${count} sequences of other lengths at a time, by any build and number of threads`, async () => {
      for (const build of SIMD_BUILDS) {
        for (const threads of [1, 2, 3]) {
          const model = await load(checkpoint, { build, threads });
          const sequences = texts.map(() => model.createSequence());
          const found = await Promise.all(sequences.map((sequence, i) => run(sequence, texts[i]!, begins[i]!)));
          for (const [i, logits] of found.entries())
            assertSame(logits, (await expected)[i]!, `${build}, ${threads} threads, sequence ${i}`);
          await model.dispose();
        }
      }
    });
  }

  test(`${kind}: a cache for one and a half sequences serves eight, who lose and compute again what others needed`, async () => {
    const begins = [100, 64, 127, 30, 129, 1, 65, 90];
    const texts = begins.map((begin) => drawIds(begin + 8));
    const expected = await alone(checkpoint, texts, begins);
    const model = await load(checkpoint, { cacheTokens: 256, maxSequences: 3 });
    const sequences = texts.map(() => model.createSequence());
    const found = await Promise.all(sequences.map((sequence, i) => run(sequence, texts[i]!, begins[i]!)));
    for (const [i, logits] of found.entries()) assertSame(logits, expected[i]!, `sequence ${i}`);
    const evaluated = sequences.reduce((sum, sequence) => sum + sequence.evaluated, 0);
    assert.ok(evaluated > texts.reduce((sum, { length }) => sum + length, 0), "nobody lost anything: the cache was large enough");
    for (const sequence of sequences) sequence.dispose();
    assert.equal(model.cacheTokens, { total: 256, free: 256, shared: 0, available: 256 });
    await model.dispose();
  });

  test(`${kind}: forks share blocks, and go on as if they had come all the way alone`, async () => {
    for (const length of LENGTHS) {
      const [common, ...ends] = [drawIds(length), drawIds(6), drawIds(70), drawIds(1)];
      const texts = ends.map((end) => [...common, ...end]);
      const expected = await alone(checkpoint, texts, texts.map(() => length)); // prettier-ignore
      const model = await load(checkpoint);
      const first = model.createSequence();
      await first.forward(common, { logits: "none" });
      const forks = [first, first.fork(), first.fork()];
      assert.is(model.cacheTokens.shared, 64 * Math.ceil(length / 64), `${length} tokens`);
      const found = await Promise.all(forks.map((fork, i) => continueAll(fork, ends[i]!)));
      for (const [i, logits] of found.entries()) assertSame(logits, expected[i]!.slice(1), `fork ${i} after ${length}`);
      await model.dispose();
    }
  });

  test(`${kind}: saved and restored, in another model of other threads and room, a sequence goes on with its bits`, async () => {
    for (const length of [0, 1, 63, 64, 65, 130]) {
      const ids = drawIds(length + 4);
      const [expected] = await alone(checkpoint, [ids], [Math.max(1, length)]);
      const [from, to] = [await load(checkpoint), await load(checkpoint, { threads: 2, cacheTokens: 192, chunkSize: 7 })];
      using saved = from.createSequence();
      if (length > 0) await saved.forward(ids.slice(0, length), { logits: "none" });
      const bytes = await saved.save();
      using restored = to.createSequence();
      await restored.forward(drawIds(20), { logits: "none" });
      const before = restored.evaluated;
      await restored.restore(bytes);
      assert.equal(restored.ids, ids.slice(0, length));
      const found = await continueAll(restored, ids.slice(length));
      assertSame(found, length > 0 ? expected!.slice(1) : expected!, `${length} tokens`);
      assert.is(restored.evaluated - before, (length % 64) + 4, "whole blocks were there");
      await Promise.all([from.dispose(), to.dispose()]);
    }
  });
}

/** Logits of ids that go on one by one. */
async function continueAll(sequence: Sequence, ids: readonly number[]): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  for (const id of ids) found.push((await sequence.forward([id], { logits: "last" }))!);
  return found;
}

test("any interleaving of forward, fork, truncate, save and dispose gives each what it has alone", async () => {
  const model = await load(floats, { cacheTokens: 384, maxSequences: 4 });
  const reference = await load(floats);
  for (let round = 0; round < 6; round++) {
    const live: { sequence: Sequence; ids: number[] }[] = [];
    const steps = Array.from({ length: 24 }, async () => {
      const sequence = model.createSequence();
      sequence.shares = random() < 0.5;
      const own = { sequence, ids: [] as number[] };
      live.push(own);
      for (let step = 0; step < 3; step++) {
        const added = drawIds(1 + Math.floor(random() * 60));
        own.ids.push(...added);
        await sequence.forward(added, { logits: "none" });
        if (random() < 0.3) {
          own.ids.length = Math.floor(random() * own.ids.length);
          sequence.truncate(own.ids.length);
        }
        if (random() < 0.2) await sequence.restore(await sequence.save());
      }
      const fork = sequence.fork();
      live.push({ sequence: fork, ids: [...own.ids] });
      if (random() < 0.3) {
        sequence.dispose();
        live.splice(live.indexOf(own), 1);
      }
    });
    await Promise.all(steps);
    const found = await Promise.all(live.map(({ sequence }) => sequence.forward([7], { logits: "last" })));
    for (const [i, { ids }] of live.entries()) {
      using sequence = reference.createSequence();
      assertSame([found[i]!], [(await sequence.forward([...ids, 7], { logits: "last" }))!], `round ${round}, sequence ${i}`);
    }
    for (const { sequence } of live) sequence.dispose();
    assert.is(model.cacheTokens.free, model.cacheTokens.total, "all room is free again");
  }
  await Promise.all([model.dispose(), reference.dispose()]);
});

test("texts that begin alike are computed once, as long as the cache has them", async () => {
  const model = await load(floats);
  const common = drawIds(140);
  const evaluated = async (ids: readonly number[]) => {
    using sequence = model.createSequence();
    sequence.shares = true;
    await sequence.forward(ids, { logits: "last" });
    return sequence.evaluated;
  };
  assert.is(await evaluated(common), 140);
  assert.is(await evaluated([...common, 1, 2]), 2, "all tokens of one that is gone");
  assert.is(await evaluated([...common.slice(0, 100), 5]), 1, "in the middle of a block");
  assert.is(await evaluated(common), 1, "what went on otherwise has left it alone");
  await model.dispose();
});

test("an abort ends its own sequence only, keeps whole chunks, and the others go on", async () => {
  const model = await load(floats, { chunkSize: 16 });
  const ids = drawIds(150);
  const [aborted, other] = [model.createSequence(), model.createSequence()];
  const controller = new AbortController();
  const first = aborted.forward(ids, { logits: "last", signal: controller.signal }).catch((error: unknown) => error);
  const second = run(other, ids, 150);
  setTimeout(() => controller.abort(), 0);
  assert.instance(await first, AbortError);
  assert.is(aborted.length % 8, 0);
  assert.ok(aborted.length < 150);
  const [expected] = await alone(floats, [ids], [150]);
  assertSame(await second, expected!, "the other");
  assertSame(await run(aborted, ids.slice(aborted.length), 150 - aborted.length), expected!, "taken up again");
  await model.dispose();
});

test("misuse is a typed error, and nothing hangs", async () => {
  const model = await load(floats, { cacheTokens: 64 });
  const sequence = model.createSequence();
  const rejected = (work: Promise<unknown>) => work.then(() => assert.unreachable("no error"), (error: unknown) => error); // prettier-ignore
  const tooLong = (await rejected(sequence.forward(drawIds(65), { logits: "none" }))) as CapacityError;
  assert.instance(tooLong, CapacityError);
  assert.equal([tooLong.needed, tooLong.free], [65, 64]);
  assert.instance(await rejected(sequence.forward(drawIds(257), { logits: "none" })), OptionError);
  assert.instance(await rejected(sequence.forward([V], { logits: "none" })), OptionError);
  assert.throws(
    () => sequence.truncate(1),
    (error: unknown) => error instanceof OptionError,
  );
  const running = sequence.forward(drawIds(10), { logits: "none" });
  assert.throws(() => sequence.fork(), (error: unknown) => error instanceof OptionError); // prettier-ignore
  assert.instance(await rejected(sequence.forward([1], { logits: "none" })), OptionError, "two calls at a time");
  await running;

  const disposed = rejected(sequence.forward([1], { logits: "none" }));
  sequence.dispose();
  assert.instance(await disposed, DisposedError);
  assert.instance(await rejected(sequence.forward([1], { logits: "none" })), DisposedError);
  for (const use of [() => sequence.truncate(0), () => sequence.fork()]) {
    assert.throws(use, (error: unknown) => error instanceof DisposedError);
  }

  const others = [model.createSequence(), model.createSequence()].map((other) =>
    rejected(other.forward(drawIds(50), { logits: "last" })),
  );
  await model.dispose();
  for (const error of await Promise.all(others)) assert.instance(error, DisposedError);
  assert.throws(
    () => model.createSequence(),
    (error: unknown) => error instanceof DisposedError,
  );
});

test("bytes of another checkpoint, another precision, cut or changed are refused, and the sequence stays", async () => {
  const [model, exact] = [await load(quantized), await load(quantized, { kvCache: "f32" })];
  const [dynamic, half] = [await load(quantized, { kvCache: "q8t" }), await load(quantized, { kvCache: { v: "q8t" } })];
  const other = await load(await quantizedTinyModel(SEED + 1));
  using sequence = model.createSequence();
  await sequence.forward(drawIds(130), { logits: "none" });
  const bytes = await sequence.save();
  const refused = async (target: Transformer, changed: Uint8Array, message: RegExp) => {
    using victim = target.createSequence();
    await victim.forward([1, 2, 3], { logits: "none" });
    const error = await victim.restore(changed).catch((e: unknown) => e);
    assert.instance(error, CheckpointError);
    assert.match((error as Error).message, message);
    assert.equal(victim.ids, [1, 2, 3]);
  };
  await refused(other, bytes, /saved sequence: model: got string \("[0-9a-f]+.*need the model it was saved with/);
  await refused(exact, bytes, /k: got "q8", need "f32"/);
  await refused(dynamic, bytes, /k: got "q8", need "q8t"/);
  await refused(half, bytes, /v: got "q8", need "q8t"/);
  using other8 = dynamic.createSequence();
  await other8.forward(drawIds(64), { logits: "none" });
  await refused(model, await other8.save(), /k: got "q8t", need "q8"/);
  for (const length of [0, 7, 12, 40, 200, bytes.length - 33, bytes.length - 1])
    await refused(model, bytes.slice(0, length), /need/);
  for (let i = 0; i < 40; i++) {
    const changed = bytes.slice();
    changed[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8);
    await refused(model, changed, /need|JSON/);
  }
  await Promise.all([model, other, exact, dynamic, half].map((loaded) => loaded.dispose()));
});

test("NaN in one sequence is that sequence's error", async () => {
  const BAD = 11;
  const poisoned = checkpointView(floats, {
    readF32: async (name: string, options?: Parameters<Checkpoint["readF32"]>[1]) => {
      const values = await floats.readF32(name, options);
      const [begin, end] = options?.rows ?? [0, V];
      if (name === "model.embed_tokens.weight" && begin <= BAD && BAD < end)
        values[(BAD - begin) * floats.config.hiddenSize] = NaN;
      return values;
    },
  });
  const model = await load(poisoned);
  const fine = drawIds(20).map((id) => (id === BAD ? 0 : id));
  const [good, bad] = [model.createSequence(), model.createSequence()];
  const [outcome, error] = await Promise.all([
    good.forward(fine, { logits: "none" }).catch((e: unknown) => e),
    bad.forward([...fine, BAD], { logits: "last" }).catch((e: unknown) => e),
  ]);
  assert.instance(error, NumericError);
  assert.match((error as Error).message, /model\.layers\.0: output has NaN or infinity at positions 0\.\.20/);
  assert.is(outcome, undefined);
  assert.is(good.length, 20);
  assert.is(bad.length, 0);
  await model.dispose();
});

test.run();
