/** A quantized model's loss by part, from two checkpoints to the table's numbers. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { AbortError, OptionError, UnsupportedModelError } from "../../src/errors.ts";
import { MODEL_PARTS } from "../../src/evaluation/float-parts.ts";
import { klDivergence } from "../../src/evaluation/kl-divergence.ts";
import { lossByPart, type LossByPartOptions } from "../../src/evaluation/loss-by-part.ts";
import { nodeHost } from "../../src/host/node.ts";
import { Transformer } from "../../src/model/transformer.ts";
import type { Progress } from "../../src/progress.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { quantizedTinyModel } from "../quantized-tiny-model.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 41;
const test = suite(`loss by part (seed ${SEED})`);
const TEXT = "Where does the loss of a quantized model come from? ".repeat(12);
const SIZE = { contextSize: 48, chunks: 2 };
const base = await openSafetensorsCheckpoint(tinyModel(SEED));
const quantized = await quantizedTinyModel(SEED, { folds: ["key", "value", "up"] });

const measure = (model: Checkpoint, float: Checkpoint, options: LossByPartOptions = {}, text = TEXT) =>
  lossByPart(model, float, text, { ...SIZE, ...options }, { host: nodeHost, threads: 1, ...options });

test("the model as it is has the KL divergence of kld; with all parts in float it is the base", async () => {
  const found = await measure(quantized, base);
  assert.equal(
    found.parts.map(({ part }) => part),
    MODEL_PARTS,
  );
  assert.equal([found.chunks, found.tokens], [2, 96]);
  const options = { threads: 1, contextSize: SIZE.contextSize };
  const passes = await Promise.all([base, quantized].map((model) => Transformer.load(model, nodeHost, options)));
  const tokenizer = new Tokenizer(base.tokenizer!, base.name);
  const ids = tokenizer.encode(TEXT, { addSpecialTokens: false, parseSpecial: false });
  const {
    chunks: _c,
    tokens: _t,
    ...expected
  } = await klDivergence(passes[0]!, passes[1]!, ids, {
    ...SIZE,
    bosTokenId: tokenizer.addedBosTokenId,
  });
  for (const pass of passes) await pass.dispose();
  const { chunks: _, tokens: __, ...asIs } = found.quantized as typeof found.quantized & { chunks: number; tokens: number };
  assert.equal(asIs, expected);

  const [first, last] = [found.parts[0]!, found.parts.at(-1)!];
  assert.is(first.alone, first.cumulative);
  assert.ok(last.cumulative.kld.mean.value < 1e-6, `${last.cumulative.kld.mean.value}`);
  assert.is(last.cumulative.sameTop.value, 1);
  assert.ok(Math.abs(last.cumulative.pplRatio.value - 1) < 1e-4);
  assert.ok(first.alone.kld.mean.value < 0.5 * found.quantized.kld.mean.value, "4-bit weights are most of it");
  // Without the embedding the last but one is not the base yet.
  assert.ok(found.parts.at(-2)!.cumulative.kld.mean.value > 1e-5);
});

test("progress counts the chunks of all runs, and a part that is first is run once", async () => {
  const seen: Progress[] = [];
  await measure(quantized, base, { onProgress: (progress) => seen.push(progress) });
  const chunks = seen.filter(({ phase }) => phase === "loss by part");
  const total = 2 * (1 + 2 * MODEL_PARTS.length - 1);
  assert.equal(
    chunks.map(({ done }) => done),
    Array.from({ length: total }, (_, i) => i + 1),
  );
  assert.ok(chunks.every((progress) => progress.total === total));
});

const failure = (work: Promise<unknown>) =>
  work.then(
    () => new Error("accepted"),
    (error: unknown) => error as Error,
  );

test("an abort between two chunks", async () => {
  const controller = new AbortController();
  const onProgress = ({ phase, done }: Progress) => phase === "loss by part" && done === 3 && controller.abort();
  assert.instance(await failure(measure(quantized, base, { signal: controller.signal, onProgress })), AbortError);
});

test("refused: a base that is quantized, of another size, with other tokens, with other weights; a short text", async () => {
  const refusals: [Promise<unknown>, typeof OptionError | typeof UnsupportedModelError, RegExp][] = [
    [measure(quantized, quantized), OptionError, /^base: got quantized, which is quantized, need the floats it was made of$/],
    [
      measure(quantized, await openSafetensorsCheckpoint(tinyModel(SEED, { config: { layers: 2 } }))),
      OptionError,
      /^base: tiny-llama-41: layers: got 2, need 3, that of quantized$/,
    ],
    [measure(quantized, await openSafetensorsCheckpoint(tinyModel(SEED + 1))), UnsupportedModelError, /q_proj: got weights/],
    [measure(quantized, base, {}, "too short"), OptionError, /^text: got \d+ tokens, need at least 48/],
    [measure(checkpointView(quantized, { tokenizer: undefined }), base), UnsupportedModelError, /^quantized: has no tokenizer$/],
    [measure(quantized, base, { contextSize: 3 }), OptionError, /^contextSize: got 3/],
  ];
  for (const [work, kind, message] of refusals) {
    const error = await failure(work);
    assert.instance(error, kind, error.message);
    assert.match(error.message, message);
  }
});

test.run();
