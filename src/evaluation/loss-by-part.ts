/**
 * Where a quantized model's loss comes from: how far it is from the float model it was made of, as it is and
 * with each of its parts put back to float (`float-parts.ts`), alone and one after another.
 *
 * Memory: the base and one view run side by side, in float32 at most, beside RECORDED_BYTES of the base's
 * logits, so that it is run over a text of about that size once.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { OptionError, UnsupportedModelError } from "../errors.ts";
import type { Work, WorkOptions } from "../host/work.ts";
import { Transformer } from "../model/transformer.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import type { Progress } from "../progress.ts";
import { fitTransform } from "../quantizer/transform/fit-transform.ts";
import { transformCheckpoint } from "../quantizer/transform/transform.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { DivergenceStatistics } from "./divergence-statistics.ts";
import { floatCache, type FloatParts, type ModelPart, quantizedParts, withFloatParts } from "./float-parts.ts";
import { klDivergence, type KlDivergenceResult } from "./kl-divergence.ts";
import { RecordedPass } from "./recorded-pass.ts";
import { type ChunkOptions, textChunks } from "./text-chunks.ts";
import { checkSameVocabulary } from "./text-divergence.ts";

/** 21 chunks of 512 tokens for V = 49152. */
const RECORDED_BYTES = 2 ** 30;
/** llama-perplexity's. */
const DEFAULT_CONTEXT = 512;

/** How much of a text is scored. */
export interface LossByPartOptions extends WorkOptions, Omit<ChunkOptions, "bosTokenId"> {}

export const LOSS_BY_PART_OPTIONS: OptionKeys = optionKeys<LossByPartOptions>({
  contextSize: 0, chunks: 0, threads: 0, signal: 0, onProgress: 0, onWarning: 0,
}); // prettier-ignore

/** What is left of the loss with a part in float. */
export interface PartLoss {
  /** Which part. */
  readonly part: ModelPart;
  /** With this part alone in float. */
  readonly alone: DivergenceStatistics;
  /** With this part and all before it in float. */
  readonly cumulative: DivergenceStatistics;
}

/** Loss of a quantized model, split by part. */
export interface LossByPart {
  /** The model as it is, beside the base. */
  readonly quantized: DivergenceStatistics;
  /** In the order in which they are put back; the model after the last one is the base. */
  readonly parts: readonly PartLoss[];
  /** Chunks scored. */
  readonly chunks: number;
  /** Tokens of those chunks. */
  readonly tokens: number;
}

/**
 * @param quantized made of the base, by factors of rows and columns and rounding
 * @param text scored by the rule of `kl-divergence.ts`; special tokens written in it are plain text
 * @throws OptionError if the two differ in size or vocabulary, the base is quantized, the text is shorter
 *   than one chunk or an option is outside its domain; UnsupportedModelError if the weights of one are not
 *   those of the other; CheckpointError; CapabilityError; NumericError; AbortError
 */
export async function lossByPart(
  quantized: Checkpoint,
  base: Checkpoint,
  text: string,
  { contextSize = DEFAULT_CONTEXT, chunks }: Pick<LossByPartOptions, "contextSize" | "chunks">,
  work: Work,
): Promise<LossByPart> {
  const { host, threads, signal, onWarning } = work;
  checkPair(quantized, base);
  const tokenizers = [base, quantized].map(tokenizerOf) as [Tokenizer, Tokenizer];
  checkSameVocabulary(...tokenizers);
  const { addedBosTokenId: bosTokenId } = tokenizers[0];
  const ids = tokenizers[0].encode(text, { addSpecialTokens: false, parseSpecial: false });
  const excerpt: Excerpt = {
    ids,
    contextSize,
    chunks: textChunks(ids, { contextSize, chunks, bosTokenId }, contextSize).length,
    bosTokenId,
  };
  for (const checkpoint of [base, quantized]) checkpoint.startVerifying?.();
  const transformed = transformCheckpoint(base, await fitTransform(base, quantized, work));
  for (const checkpoint of [base, quantized]) await checkpoint.verify(signal);
  const float = await Transformer.load(base, host, { weights: "f32", kvCache: "f32", threads, signal, onWarning, contextSize });
  try {
    const recorded = new RecordedPass(float, RECORDED_BYTES);
    return await compareViews(recorded, { quantized, base: transformed }, excerpt, work);
  } finally {
    await float.dispose();
  }
}

/** What is evaluated of a text. */
interface Excerpt {
  readonly ids: ArrayLike<number>;
  readonly contextSize: number;
  readonly chunks: number;
  readonly bosTokenId: number | undefined;
}

/** @param pair the quantized checkpoint, and the base's with its transform */
async function compareViews(
  float: RecordedPass,
  pair: Pick<FloatParts, "quantized" | "base">,
  excerpt: Excerpt,
  { host, threads, signal, onProgress }: Work,
): Promise<LossByPart> {
  const { ids, contextSize, chunks } = excerpt;
  const parts = quantizedParts(pair.quantized);
  const upTo = (i: number) => parts.slice(0, i + 1);
  // Some are alone and first of all: each is looked at once.
  const views = new Map([[], ...parts.map((part) => [part]), ...parts.map((_, i) => upTo(i))].map((view) => [keyOf(view), view]));
  const results = new Map<string, KlDivergenceResult>();
  for (const [key, view] of views) {
    const floatParts: FloatParts = { ...pair, parts: new Set(view) };
    const load = { threads, signal, contextSize, kvCache: floatCache(floatParts.parts), weights: "f32" } as const;
    const model = await Transformer.load(withFloatParts(floatParts), host, load);
    const done = results.size * chunks;
    const report = (chunk: number) =>
      onProgress?.({ phase: "loss by part", done: done + chunk, total: views.size * chunks, unit: "chunks" });
    try {
      const options = { ...excerpt, signal, onProgress: (progress: Progress) => report(progress.done) };
      results.set(key, await klDivergence(float, model, ids, options));
    } finally {
      await model.dispose();
    }
  }
  const resultOf = (view: readonly ModelPart[]) => results.get(keyOf(view))!;
  const quantized = resultOf([]);
  return {
    quantized,
    parts: parts.map((part, i) => ({ part, alone: resultOf([part]), cumulative: resultOf(upTo(i)) })),
    chunks: quantized.chunks,
    tokens: quantized.tokens,
  };
}

const keyOf = (view: readonly ModelPart[]) => view.join();

/** Numbers of a configuration that decide the shapes of its tensors. */
const SIZES = ["architecture", "layers", "hiddenSize", "heads", "kvHeads", "headDim", "ffnSize", "vocabSize"] as const;

function checkPair(quantized: Checkpoint, base: Checkpoint): void {
  if (quantized.config.headless)
    throw new UnsupportedModelError(`${quantized.name}: got a model without a head, need one with logits`);
  if (base.quantization) throw new OptionError(`base: got ${base.name}, which is quantized, need the floats it was made of`);
  for (const size of SIZES) {
    const [found, needed] = [base.config[size], quantized.config[size]];
    if (found !== needed) {
      throw new OptionError(`base: ${base.name}: ${size}: got ${found}, need ${needed}, that of ${quantized.name}`);
    }
  }
}

function tokenizerOf({ tokenizer, name }: Checkpoint): Tokenizer {
  if (!tokenizer) throw new UnsupportedModelError(`${name}: has no tokenizer`);
  return new Tokenizer(tokenizer, name);
}
