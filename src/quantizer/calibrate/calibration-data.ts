/**
 * Calibration samples: `samples` sequences of `ctxSize` token ids, from a text, from JSON lines, or drawn at
 * random.
 *
 * A text is cut into consecutive chunks from its start without overlap, so that a calibration can be repeated
 * from the file's name and two numbers (the rule of llama-perplexity, and of the reference values this
 * package is tested against).
 */
import { RecipeError } from "../../errors.ts";
import { describe } from "../../json-object.ts";
import { needing } from "../../need.ts";

const need = needing(RecipeError);

export interface SampleShape {
  /** Number of sequences. */
  readonly samples: number;
  /** Tokens in each. */
  readonly ctxSize: number;
}

export interface TextSampling extends SampleShape {
  /** The file the text is from, for messages. */
  readonly name: string;
  /** Text to ids, without special tokens around them. */
  readonly encode: (text: string) => readonly number[];
  /**
   * Replaces the first token of each sample: for models that never see a sequence without it. Their largest
   * activations sit there.
   */
  readonly bosTokenId?: number | undefined;
  /** Sequences wanted behind these, as many of them as the text has. Default 0. */
  readonly extraSamples?: number | undefined;
}

/** Tokens at the end of an encoded piece of text that the text behind it might still change. */
const UNSETTLED_TOKENS = 64;
/** First guess at how many characters make a token; doubled until there are enough. */
const CHARACTERS_PER_TOKEN = 6;

/**
 * The first `samples * ctxSize` tokens of a text, in chunks of `ctxSize`, and what is asked for behind them.
 *
 * @throws RecipeError if the text is shorter than that, naming the tokens found and needed
 */
export function samplesFromText(text: string, sampling: TextSampling): Int32Array[] {
  const { name, encode, bosTokenId, samples, ctxSize, extraSamples = 0 } = sampling;
  checkShape({ samples, ctxSize });
  const needed = samples * ctxSize;
  const wanted = needed + extraSamples * ctxSize;
  // A corpus can be many times longer than what is used: encode no more of it than that. Cutting changes the
  // last few tokens only.
  let characters = wanted * CHARACTERS_PER_TOKEN;
  let ids = encode(text.slice(0, characters));
  while (ids.length < wanted + UNSETTLED_TOKENS && characters < text.length) {
    characters *= 2;
    ids = encode(text.slice(0, characters));
  }
  if (ids.length < needed) {
    const usable = Math.floor(ids.length / ctxSize);
    const remedy = usable > 0 ? `option samples ${usable} would fit` : `not even one sample of ${ctxSize} fits`;
    throw new RecipeError(
      `calibration text ${name}: got ${ids.length} tokens, need ${needed} (${samples} samples of ${ctxSize}); ${remedy}`,
    );
  }
  const length = Math.floor(Math.min(ids.length, wanted) / ctxSize);
  return Array.from({ length }, (_, sample) => {
    const chunk = Int32Array.from(ids.slice(sample * ctxSize, (sample + 1) * ctxSize));
    if (bosTokenId !== undefined) chunk[0] = bosTokenId;
    return chunk;
  });
}

/**
 * The text of a JSON Lines file: the `text` field of each line, a blank line between documents.
 *
 * @throws RecipeError naming the first line that is not an object with a string `text`
 */
export function textFromJsonLines(content: string, name: string): string {
  const documents: string[] = [];
  for (const [index, line] of content.split("\n").entries()) {
    if (line.trim() === "") continue;
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch (cause) {
      throw new RecipeError(
        `calibration data ${name}, line ${index + 1}: got text that is not JSON, need an object with a string "text"`,
        { cause },
      );
    }
    const text = (record as { text?: unknown } | null)?.text;
    if (typeof text !== "string") {
      throw new RecipeError(
        `calibration data ${name}, line ${index + 1}: got ${describe(record)}, need an object with a string "text"`,
      );
    }
    documents.push(text);
  }
  return documents.join("\n\n");
}

export interface RandomSampling extends SampleShape {
  /** Ids are drawn uniformly from 0..vocabSize-1. */
  readonly vocabSize: number;
  /** Ids never drawn: control tokens, which mean nothing inside a text (`Tokenizer.specialIds`). */
  readonly exclude: ReadonlySet<number>;
  /** 0..2^32-1. */
  readonly seed: number;
}

/**
 * Random tokens: calibration without data (FPTQ's data-free mode). The same seed gives the same samples
 * everywhere.
 *
 * @throws RecipeError if every token is excluded, or the seed is not a 32-bit integer
 */
export function samplesFromRandomTokens({ vocabSize, exclude, seed, samples, ctxSize }: RandomSampling): Int32Array[] {
  checkShape({ samples, ctxSize });
  need.whole("seed", seed, 0, 2 ** 32 - 1);
  const allowed = Int32Array.from({ length: vocabSize }, (_, id) => id).filter((id) => !exclude.has(id));
  if (allowed.length === 0)
    throw new RecipeError(`random calibration tokens: got ${vocabSize} tokens that are all special, need others`);
  const random = splitmix32(seed);
  return Array.from({ length: samples }, () =>
    Int32Array.from({ length: ctxSize }, () => allowed[Math.floor((random() / 2 ** 32) * allowed.length)]!),
  );
}

function checkShape({ samples, ctxSize }: SampleShape): void {
  need.whole("samples", samples, 1);
  need.whole("contextSize", ctxSize, 1);
}

/**
 * 32 random bits per call (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", the 32-bit
 * finalizer).
 */
function splitmix32(state: number): () => number {
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
}
