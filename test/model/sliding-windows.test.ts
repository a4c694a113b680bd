/**
 * A model whose layers all have windows gives blocks back that no later row reads, and nothing of it can be
 * seen in a result. The oracle is the same model with a cache in which every block stays where it was.
 * Windows of 40 and 70 tokens are less and more than a block; passes have 48 rows.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CapacityError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import type { Sequence } from "../../src/model/sequences/sequence.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { mulberry32 } from "../random.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 131;
const test = suite(`sliding windows (seed ${SEED})`);
const random = mulberry32(SEED);
const below = (n: number) => Math.floor(random() * n);

const WINDOW = 70;
const ROWS = 48;
const LONGEST = 512;
/** The least in which a text of any length fits. */
const TIGHT = 64 * Math.ceil((WINDOW + ROWS + 4 * 64) / 64);
/** `config.json` of this family has one window for all layers, so it is the checkpoint that is changed. */
const open = async (attentionWindows: readonly number[]) => {
  const stored = await openSafetensorsCheckpoint(
    tinyModel(SEED, { architecture: "mistral", config: { contextLength: LONGEST } }),
  );
  return checkpointView(stored, { config: { ...stored.config, attentionWindows } });
};
const sliding = await open([40, WINDOW, 40]);
const V = sliding.config.vocabSize;
const drawIds = (count: number) => Array.from({ length: count }, () => below(V));

const load = (cacheTokens: number, options: LoadOptions = {}, checkpoint = sliding) =>
  Transformer.load(checkpoint, nodeHost, { threads: 1, contextSize: LONGEST, chunkSize: ROWS, cacheTokens, ...options });

const roomy = await load(64 * 512);

/** Logits of the last id, of a text that nothing was shared with or taken from. */
async function expected(ids: readonly number[]): Promise<Float32Array> {
  using sequence = roomy.createSequence();
  return (await sequence.forward(ids, { logits: "last" }))!;
}

/** Goes on with ids; the logits have to be those of the whole text. */
async function goOn(sequence: Sequence, ids: readonly number[], what: string): Promise<void> {
  const logits = (await sequence.forward(ids, { logits: "last" }))!;
  assertSameBits(logits, await expected(sequence.ids), what);
}

test("a text longer than the cache: the bits of one that has room, and a bounded part of it", async () => {
  const model = await load(TIGHT);
  assert.is(model.mostTokens, LONGEST);
  using sequence = model.createSequence();
  await goOn(sequence, drawIds(LONGEST - 100), "a prompt");
  const { total } = model.cacheTokens;
  for (let i = 0; i < 99; i++) {
    await goOn(sequence, drawIds(1), `token ${sequence.length}`);
    const { free } = model.cacheTokens;
    assert.ok(total - free <= 64 * Math.ceil((WINDOW + 3 * 64) / 64), `${total - free} tokens held of ${sequence.length}`);
  }
  assert.is(sequence.evaluated, sequence.length, "nothing was computed twice");
  await model.dispose();
});

test("going back: a little, to blocks that are still there, and to those that are gone", async () => {
  const model = await load(TIGHT + 64);
  using sequence = model.createSequence();
  await goOn(sequence, drawIds(300), "300 tokens");
  /** Goes back and on, and says how many tokens were computed. */
  const back = async (length: number) => {
    sequence.truncate(length);
    const before = sequence.evaluated;
    await goOn(sequence, drawIds(5), `behind ${length}`);
    return sequence.evaluated - before;
  };
  assert.is(await back(290), 5);
  assert.is(await back(250), 5, "blocks that were let go, and nobody took");
  await goOn(sequence, drawIds(200), "long enough to take them itself");
  assert.is(await back(100), 105, "all is computed again");
  assert.is(await back(0), 5);
  await model.dispose();
});

test("forks, and texts that begin alike, after their beginning was taken", async () => {
  const model = await load(2 * TIGHT);
  const prompt = drawIds(200);
  using first = model.createSequence();
  first.shares = true;
  await goOn(first, prompt, "first");
  using fork = first.fork();
  await goOn(first, drawIds(150), "the first goes on");
  await goOn(fork, drawIds(70), "the fork goes on");
  using other = model.createSequence();
  other.shares = true;
  await goOn(other, [...prompt.slice(0, 130), ...drawIds(100)], "one that begins alike");
  await goOn(fork, drawIds(120), "the fork once more");
  using again = model.createSequence();
  again.shares = true;
  await goOn(again, [...first.ids.slice(0, 300), ...drawIds(3)], "a long beginning");
  await goOn(first, drawIds(20), "the first once more");
  await model.dispose();
});

test("saved with the blocks it needs, and gone on with elsewhere", async () => {
  const model = await load(TIGHT);
  using sequence = model.createSequence();
  await goOn(sequence, drawIds(63), "short");
  const short = await sequence.save();
  await goOn(sequence, drawIds(410), "long");
  const long = await sequence.save();
  const perBlock = (await saved(128)).length - (await saved(64)).length - 4 * 64;
  const blocks = Math.round((long.length - 4 * sequence.length) / perBlock);
  assert.ok(blocks <= 4, `${blocks} blocks`);
  for (const cacheTokens of [TIGHT, 2 * TIGHT]) {
    const elsewhere = await load(cacheTokens, { chunkSize: 32 });
    using restored = elsewhere.createSequence();
    await restored.restore(long);
    assert.equal(restored.ids, sequence.ids);
    const before = restored.evaluated;
    await goOn(restored, drawIds(9), "restored");
    assert.ok(restored.evaluated - before < 64 + 9, `${restored.evaluated - before} computed again`);
    restored.truncate(80);
    await goOn(restored, drawIds(9), "before what was saved");
    await restored.restore(short);
    await goOn(restored, drawIds(9), "restored, short");
    await elsewhere.dispose();
  }
  await model.dispose();
});

async function saved(length: number): Promise<Uint8Array> {
  using sequence = roomy.createSequence();
  await sequence.forward(drawIds(length), { logits: "none" });
  return sequence.save();
}

test("anything, in any order, in a cache that is too small for all", async () => {
  const model = await load(TIGHT + 128);
  let texts = Array.from({ length: 3 }, () => model.createSequence());
  const kept: Uint8Array[] = [];
  for (let step = 0; step < 120; step++) {
    const text = texts[below(texts.length)]!;
    text.shares = true;
    const what = `step ${step}`;
    switch (below(6)) {
      case 0:
        text.truncate(below(text.length + 1));
        break;
      case 1: {
        const fork = text.fork();
        const at = below(texts.length);
        if (texts[at] !== text) texts[at]!.dispose();
        texts = texts.map((other, i) => (i === at && other !== text ? fork : other));
        if (!texts.includes(fork)) fork.dispose();
        break;
      }
      case 2:
        if (text.length > 0) kept[below(2)] = await text.save();
        break;
      case 3: {
        const state = kept[below(2)];
        if (state) await text.restore(state);
        break;
      }
      default: {
        const room = LONGEST - text.length;
        if (room > 0) await goOn(text, drawIds(Math.min(room, 1 + below(below(2) === 0 ? 4 : 150))), what);
      }
    }
  }
  for (const text of texts) if (text.length < LONGEST) await goOn(text, drawIds(1), "at the end");
  await model.dispose();
});

test("a layer without a window, or a cache too small for one, needs room for all tokens", async () => {
  for (const [checkpoint, cacheTokens] of [
    [await open([40, 0, 40]), TIGHT],
    [sliding, TIGHT - 64],
  ] as const) {
    const model = await load(cacheTokens, {}, checkpoint);
    assert.is(model.mostTokens, cacheTokens);
    using sequence = model.createSequence();
    const error = await sequence.forward(drawIds(cacheTokens + 1), { logits: "last" }).catch((reason: unknown) => reason);
    assert.instance(error, CapacityError);
    await sequence.forward(drawIds(cacheTokens), { logits: "last" });
    await model.dispose();
  }
});

test.after(() => roomy.dispose());
test.run();
