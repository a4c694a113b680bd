/**
 * Vectors of texts: the states of a text's tokens after the final norm, pooled as the checkpoint says
 * (Qwen3-Embedding: the last token's, divided by its length). Texts go through the model together, each a
 * sequence of its own, so what else is in a call changes no bit of a vector. Linear layers behind pooling
 * (EmbeddingGemma) are computed here too.
 *
 * Sums are taken in double precision, in the order of tokens and channels; square roots and divisions are
 * exact (IEEE 754), so the vectors are the same everywhere.
 */
import { type DenseWeights, type Pooling, type PoolingKind, POOLINGS } from "../checkpoint/pooling.ts";
import { OptionError } from "../errors.ts";
import type { StatesBlock } from "../model/forward-pass.ts";
import type { Transformer } from "../model/transformer.ts";
import { need, shown } from "../need.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { roomForTogether } from "./together.ts";

/** How texts become vectors. */
export interface EmbedOptions {
  /**
   * What becomes of the states: that of the last token, the mean, or that of the first token. By default as
   * the checkpoint says.
   */
  readonly pooling?: PoolingKind | undefined;
  /** Whether a vector is divided by its length (L2); by default as the checkpoint says, or true. */
  readonly normalize?: boolean | undefined;
  /** Name of a prompt of the checkpoint that is put before each text: "query". */
  readonly promptName?: string | undefined;
  /** The first so many channels only, before the division; default all. For models trained for that. */
  readonly dimensions?: number | undefined;
  /** Ends the work with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
}

export const EMBED_OPTIONS: OptionKeys = optionKeys<EmbedOptions>({
  pooling: 0, normalize: 0, promptName: 0, dimensions: 0, signal: 0,
}); // prettier-ignore

/** What a model of vectors is made of. */
export interface EmbeddingModel {
  /** Asked for only where there are texts. */
  readonly tokenizer: Pick<Tokenizer, "encode">;
  readonly forwardPass: Transformer;
  /** undefined where the checkpoint says nothing */
  readonly pooling: Pooling | undefined;
  /** Weights of the linear layers behind pooling. */
  readonly dense: readonly DenseWeights[];
}

interface Form {
  readonly kind: PoolingKind;
  readonly dense: readonly DenseWeights[];
  readonly normalize: boolean;
  readonly dimensions: number;
}

/**
 * @param texts texts, or their token ids, special ones included; of a text the texts of special tokens are
 *   plain text
 * @returns f32[dimensions] for each text, in order
 * @throws OptionError for a text without tokens or too long for the context, or where nobody says how to pool
 */
export async function embed(
  model: EmbeddingModel,
  texts: readonly (string | readonly number[])[],
  options: EmbedOptions,
): Promise<Float32Array[]> {
  const { forwardPass, pooling, dense } = model;
  const channels = pooling?.dense?.at(-1)?.outFeatures ?? forwardPass.config.hiddenSize;
  const form: Form = {
    kind: embeddingPooling({ pooling }, options.pooling),
    dense,
    normalize: options.normalize ?? pooling?.normalize ?? true,
    dimensions: need.whole("dimensions", options.dimensions ?? channels, 1, channels),
  };
  const encoded = embeddingIds(model, texts, options.promptName);
  const vectors: Float32Array[] = [];
  for (const group of roomForTogether(encoded, forwardPass)) {
    vectors.push(...(await Promise.all(group.map((ids) => embedOne(forwardPass, ids, form, options.signal)))));
  }
  return vectors;
}

/** @throws OptionError for a kind that is none, or where nobody says how to pool */
export function embeddingPooling({ pooling }: Pick<EmbeddingModel, "pooling">, asked: PoolingKind | undefined): PoolingKind {
  const kind = asked ?? pooling?.kind;
  if (kind !== undefined) return need.oneOf("pooling", kind, POOLINGS);
  const choices = POOLINGS.map((name) => shown(name)).join(", ");
  throw new OptionError(`pooling: got nothing, and the checkpoint does not say either, need one of ${choices}`);
}

/**
 * Token ids of texts as a model of vectors reads them, the checkpoint's prompt included.
 * @throws OptionError for a text without tokens or too long for the context, or a prompt that is not there
 */
export function embeddingIds(
  model: EmbeddingModel,
  texts: readonly (string | readonly number[])[],
  promptName: string | undefined,
): (readonly number[])[] {
  const { forwardPass, pooling } = model;
  const prompt = promptText(pooling, promptName);
  return texts.map((text, i) => {
    const ids = typeof text === "string" ? model.tokenizer.encode(prompt + text, { parseSpecial: false }) : text;
    if (ids.length > 0 && ids.length <= forwardPass.contextSize) return ids;
    throw new OptionError(
      `text ${i}: got ${ids.length} tokens, need 1 to ${forwardPass.contextSize}, the context the model was loaded with`,
    );
  });
}

/** @throws OptionError for a name the checkpoint does not have */
function promptText(pooling: Pooling | undefined, asked: string | undefined): string {
  const name = asked ?? pooling?.defaultPrompt;
  if (name === undefined) return "";
  const prompts = pooling?.prompts ?? {};
  if (Object.hasOwn(prompts, name)) return prompts[name]!;
  const names = Object.keys(prompts).map(shown).join(", ");
  throw new OptionError(
    `promptName: got ${shown(name)}, need ${names ? `one of ${names}` : "none: the checkpoint has no prompts"}`,
  );
}

async function embedOne(
  forwardPass: Transformer,
  ids: readonly number[],
  { kind, dense, normalize, dimensions }: Form,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const pooled = new Float64Array(dense.length > 0 ? forwardPass.config.hiddenSize : dimensions);
  const add = ({ values, rows, firstRow }: StatesBlock) => {
    const E = values.length / rows;
    const counted = kind === "cls" ? Number(firstRow === 0) : rows;
    for (let row = 0; row < counted; row++) for (let d = 0; d < pooled.length; d++) pooled[d]! += values[row * E + d]!;
  };
  using sequence = forwardPass.createSequence();
  sequence.shares = true;
  await sequence.forward(ids, { logits: "none", states: { of: kind === "last" ? "last" : "all", read: add }, signal });
  const divisor = kind === "mean" ? ids.length : 1;
  const vector = dense.reduce(throughDense, pooled.map((value) => value / divisor)); // prettier-ignore
  return scaled(vector.subarray(0, dimensions), normalize);
}

function throughDense(x: Float64Array, { weight, bias }: DenseWeights): Float64Array {
  const K = x.length;
  return Float64Array.from({ length: weight.length / K }, (_, n) => {
    let sum = bias?.[n] ?? 0;
    for (let k = 0; k < K; k++) sum += weight[n * K + k]! * x[k]!;
    return sum;
  });
}

/** The vector, or the unit vector in its direction; one of zeros stays. */
function scaled(vector: Float64Array, normalize: boolean): Float32Array {
  const length = normalize ? Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) || 1 : 1;
  return Float32Array.from(vector, (value) => value / length);
}
