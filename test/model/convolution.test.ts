/**
 * Layers with a short convolution: what they keep of earlier tokens follows a sequence wherever it goes, and
 * no bit depends on how it got there.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import type { Sequence } from "../../src/model/sequences/sequence.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { tinySamples } from "../quantizer/tiny-samples.ts";
import { mulberry32 } from "../random.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 151;
const test = suite(`convolution layers (seed ${SEED})`);
const random = mulberry32(SEED);
const randomIds = (count: number) => Array.from({ length: count }, () => Math.floor(random() * 320));

/** The first and the last layer have convolutions of four tokens, with biases. */
const CONFIG = { qkNorm: "head", convolutionLayers: [0, 2], convolutionLength: 4, convolutionBias: true } as const;

async function quantized(kvCache: "q8" | "q8t"): Promise<Checkpoint> {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture: "lfm2", config: CONFIG }));
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe("fptq", { groupSize: 32, embedding: "q8", kvCache });
  await quantizeModel(source, { samples: tinySamples(SEED, 4, 64) }, recipe, output, { host: nodeHost, threads: 1 });
  return openSafetensorsCheckpoint(output.result);
}

const floats = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture: "lfm2", config: CONFIG }));
const integers = await quantized("q8");
async function load(checkpoint: Checkpoint, options: LoadOptions = {}) {
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 1, contextSize: 256, ...options });
  return Object.assign(model, { [Symbol.asyncDispose]: () => model.dispose() });
}

async function logitsOf(sequence: Pick<Sequence, "forward">, ids: readonly number[], chunk = ids.length): Promise<Float32Array> {
  const logits = new Float32Array(ids.length * 320);
  for (let begin = 0; begin < ids.length; begin += chunk) {
    const give = ({ values, firstRow }: { values: Float32Array; firstRow: number }) =>
      logits.set(values, (begin + firstRow) * 320);
    await sequence.forward(ids.slice(begin, begin + chunk), { logits: give });
  }
  return logits;
}

for (const [name, checkpoint] of [
  ["float32", floats],
  ["W4A8, static int8 cache", integers],
] as const) {
  test(`${name}: any chunks, threads, chunk sizes, and others in the same pass`, async () => {
    const ids = randomIds(150);
    await using model = await load(checkpoint);
    const expected = await logitsOf(model, ids);
    for (const chunk of [1, 2, 3, 7, 64, 65]) {
      model.truncate(0);
      assertSameBits(await logitsOf(model, ids, chunk), expected, `chunks of ${chunk}`);
    }
    for (const options of [{ threads: 2 }, { threads: 3, chunkSize: 5 }]) {
      await using other = await load(checkpoint, options);
      assertSameBits(await logitsOf(other, ids), expected, JSON.stringify(options));
    }
    await using many = await load(checkpoint, { cacheTokens: 1024 });
    const sequences = [0, 1, 2].map(() => many.createSequence());
    const [found] = await Promise.all([
      logitsOf(sequences[0]!, ids, 11),
      ...[1, 2].map((i) => logitsOf(sequences[i]!, randomIds(90), 4)),
    ]);
    assertSameBits(found, expected, "beside others");
  });

  test(`${name}: cut anywhere, forked, saved and restored`, async () => {
    const ids = randomIds(140);
    await using model = await load(checkpoint, { cacheTokens: 1024 });
    const fresh = async (all: readonly number[], from: number) => {
      using sequence = model.createSequence();
      return (await logitsOf(sequence, all)).slice(from * 320);
    };
    using sequence = model.createSequence();
    await logitsOf(sequence, ids);
    for (const length of [139, 130, 129, 128, 127, 66, 64, 63, 2, 1, 0]) {
      sequence.truncate(length);
      using fork = sequence.fork();
      const [one, other] = [randomIds(70), randomIds(5)];
      assertSameBits(await logitsOf(fork, one, 3), await fresh([...ids.slice(0, length), ...one], length), `fork at ${length}`);
      assertSameBits(
        await logitsOf(sequence, other),
        await fresh([...ids.slice(0, length), ...other], length),
        `cut at ${length}`,
      );
      sequence.truncate(length);
    }
    await logitsOf(sequence, ids.slice(0, 131));
    const bytes = await sequence.save();
    await using elsewhere = await load(checkpoint);
    using restored = elsewhere.createSequence();
    await restored.restore(bytes);
    assert.equal([...restored.ids], ids.slice(0, 131));
    const rest = randomIds(9);
    assertSameBits(await logitsOf(restored, rest), await fresh([...ids.slice(0, 131), ...rest], 131), "restored");
  });

  test(`${name}: what sequences have in common is computed once`, async () => {
    const [common, one, other] = [randomIds(100), randomIds(20), randomIds(20)];
    await using model = await load(checkpoint, { cacheTokens: 1024 });
    using first = model.createSequence();
    using second = model.createSequence();
    second.shares = first.shares = true;
    await first.forward([...common, ...one], { logits: "none" });
    const last = await second.forward([...common, ...other], { logits: "last" });
    assert.is(second.evaluated, 20);
    using alone = model.createSequence();
    assertSameBits(last!, (await logitsOf(alone, [...common, ...other])).slice(-320), "shared");
  });
}

test("the cache of a convolution is floats, whatever that of attention is", async () => {
  const [wide, narrow] = [await load(floats), await load(integers)];
  const [E, Hkv, D] = [64, 2, 16];
  assert.is(wide.memory().kvCache, 256 * 4 * (2 * E + 2 * Hkv * D));
  assert.is(narrow.memory().kvCache, 256 * (4 * 2 * E + 2 * Hkv * D));
  assert.equal([...integers.tensors.keys()].filter((name) => name.endsWith("_scale") && !name.endsWith("weight_scale") && !name.endsWith("input_scale")), ["model.layers.1.self_attn.k_scale", "model.layers.1.self_attn.v_scale"]); // prettier-ignore
  await Promise.all([wide.dispose(), narrow.dispose()]);
});

test.run();
