/** Float models to transform, and what they compute before and after. */
import type { ModelConfig } from "../../../../src/architecture/model-config.ts";
import type { Checkpoint } from "../../../../src/checkpoint/checkpoint.ts";
import { openCheckpoint } from "../../../../src/checkpoint/open-checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../../../../src/host/node.ts";
import { openLocation } from "../../../../src/host/node/node-files.ts";
import { Transformer } from "../../../../src/model/transformer.ts";
import { sharedData } from "../../../shared-data.ts";
import { tinyModel, type TinyModelOptions } from "../../../tiny-model.ts";

/** By name: options of a tiny model from a seed. */
export const TINY: Readonly<Record<string, TinyModelOptions>> = {
  "grouped heads": {},
  "one key head for four": { config: { kvHeads: 1 } },
  "three query heads for each": { config: { heads: 6, kvHeads: 2, headDim: 16, hiddenSize: 96 } },
  "as many key heads": { config: { kvHeads: 4 } },
  window: { architecture: "mistral" },
  biases: { architecture: "qwen2" },
  "norms on q and k": { architecture: "qwen3" },
  untied: { config: { tiedEmbedding: false } },
  "biases everywhere, untied": { config: { attentionBias: "qkvo", mlpBias: true, tiedEmbedding: false } },
};

export const openTiny = (seed: number, name: string) => openSafetensorsCheckpoint(tinyModel(seed, TINY[name]));

/** A model of another implementation; undefined, with a printed reason, where it is missing. */
export async function openReference(name: string): Promise<Checkpoint | undefined> {
  const folder = sharedData(`reference/tiny/${name}`);
  return folder === undefined ? undefined : openCheckpoint(await openLocation(folder));
}

/** Logits f32[S, V]. */
export async function logitsOf(checkpoint: Checkpoint, ids: ArrayLike<number>): Promise<Float32Array> {
  const { vocabSize: V } = checkpoint.config;
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 1, contextSize: 64 });
  const logits = new Float32Array(ids.length * V);
  await model.forward(ids, { logits: ({ values, firstRow }) => logits.set(values, firstRow * V) });
  await model.dispose();
  return logits;
}

/** The largest difference, as a share of the range of what is expected. */
export function worstDifference(actual: Float32Array, expected: Float32Array): number {
  const range =
    expected.reduce((high, value) => Math.max(high, value), -Infinity) -
    expected.reduce((low, value) => Math.min(low, value), Infinity);
  return actual.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i]!)), 0) / range;
}

/** KL divergence of next-token distributions, the mean over rows of f32[S, V]. */
export function divergence(actual: Float32Array, expected: Float32Array, { vocabSize: V }: ModelConfig): number {
  let sum = 0;
  for (let at = 0; at < expected.length; at += V) {
    const [p, q] = [expected, actual].map((values) => logSoftmax(values.subarray(at, at + V)));
    sum += p!.reduce((total, value, i) => total + Math.exp(value) * (value - q![i]!), 0);
  }
  return (sum * V) / expected.length;
}

function logSoftmax(values: Float32Array): Float64Array {
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const log = Math.log(values.reduce((sum, value) => sum + Math.exp(value - high), 0));
  return Float64Array.from(values, (value) => value - high - log);
}
