/**
 * A tiny model from a seed, as a Hugging Face folder in memory: every test that needs a model and not a
 * particular one uses it.
 *
 * Only +, -, *, / and square roots make the weights, which every engine rounds alike, so one seed gives the
 * same bytes everywhere.
 */
import { expectedTensors } from "../src/checkpoint/expected-tensors.ts";
import type { ModelTensor } from "../src/architecture/tensors.ts";
import { encodeBF16, encodeF16 } from "../src/checkpoint/formats/float-formats.ts";
import { type Architecture, type ModelConfig, USUAL } from "../src/architecture/model-config.ts";
import { writeModelConfig } from "../src/architecture/families.ts";
import { encodeSafetensors, type TensorPlan } from "../src/checkpoint/safetensors/safetensors-layout.ts";
import { MemoryFolder } from "./memory-folder.ts";
import { mulberry32 } from "./random.ts";
import { TINY_BOS, TINY_EOS, tinyTokenizer } from "./tiny-tokenizer.ts";

export interface TinyModelOptions {
  readonly architecture?: Architecture;
  /** Changes of single numbers of the configuration; what depends on them has to be changed too. */
  readonly config?: Partial<ModelConfig>;
  readonly type?: "F32" | "F16" | "BF16";
  /** Files the tensors are spread over; more than one brings an index. */
  readonly shards?: number;
  /**
   * One channel of every second norm is this much larger than the others, which gives activations the
   * outliers that real models have. Default 8.
   */
  readonly outlier?: number;
}

/**
 * E 64, L 3, H 4, Hkv 2, D 16, F 192, V 320: the sizes of `llama-tied`, every one a multiple of what kernels
 * need.
 */
export function tinyConfig(architecture: Architecture = "llama", changes: Partial<ModelConfig> = {}): ModelConfig {
  const layers = changes.layers ?? 3;
  const config: ModelConfig = {
    ...USUAL,
    architecture,
    vocabSize: 320,
    hiddenSize: 64,
    layers,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    ffnSize: 192,
    norm: "rms",
    rmsNormEps: 1e-5,
    positions: "rope",
    rotaryDim: changes.headDim ?? 16,
    ropeTheta: 10_000,
    ropeScaling: { kind: "none" },
    contextLength: 256,
    attentionWindows: Array.from({ length: layers }, () => (architecture === "mistral" ? 8 : 0)),
    tiedEmbedding: true,
    attentionBias: architecture === "qwen2" ? "qkv" : "none",
    mlpBias: false,
    headBias: false,
    activation: "silu",
    gatedMlp: true,
    parallelResidual: false,
    qkNorm: architecture === "qwen3" ? "head" : "none",
  };
  return { ...config, ...changes };
}

/** The same folder for the same arguments, on every engine. */
export function tinyModel(seed: number, options: TinyModelOptions = {}): MemoryFolder {
  const { architecture = "llama", type = "F32", shards = 1, outlier = 8 } = options;
  const config = tinyConfig(architecture, options.config);
  const tokenizer = tinyTokenizer(config.vocabSize);
  const dtype = ({ F32: "float32", F16: "float16", BF16: "bfloat16" } as const)[type];
  const folder = new MemoryFolder(`tiny-${architecture}-${seed}`);
  const setJson = (fileName: string, json: unknown) => folder.set(fileName, `${JSON.stringify(json, null, 2)}\n`);
  setJson("config.json", writeModelConfig(config, { bosTokenId: TINY_BOS, eosTokenIds: [TINY_EOS], dtype }));
  setJson("generation_config.json", { bos_token_id: TINY_BOS, eos_token_id: TINY_EOS });
  setJson("tokenizer.json", tokenizer.tokenizerJson);
  setJson("tokenizer_config.json", tokenizer.tokenizerConfig);

  const plans: TensorPlan[] = [];
  const data: ArrayBufferView[] = [];
  for (const [name, values] of tinyWeights(seed, config, outlier)) {
    plans.push({ name, type, shape: values.shape });
    data.push(type === "F32" ? values.data : type === "F16" ? encodeF16(values.data) : encodeBF16(values.data));
  }
  const fileNames = Array.from({ length: shards }, (_, i) => (shards === 1 ? "model.safetensors" : `model-${i + 1}-of-${shards}.safetensors`)); // prettier-ignore
  fileNames.forEach((fileName, i) => {
    const inShard = (_: unknown, at: number) => at % shards === i;
    folder.set(fileName, encodeSafetensors(plans.filter(inShard), data.filter(inShard)));
  });
  if (shards > 1) {
    const weightMap = Object.fromEntries(plans.map(({ name }, at) => [name, fileNames[at % shards]]));
    const totalSize = data.reduce((sum, { byteLength }) => sum + byteLength, 0);
    setJson("model.safetensors.index.json", { metadata: { total_size: totalSize }, weight_map: weightMap });
  }
  return folder;
}

interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/**
 * Weights of standard deviation 1/sqrt(K), so that activations keep their size from layer to layer; norms
 * near 1.
 */
function tinyWeights(seed: number, config: ModelConfig, outlier: number): Map<string, Values> {
  const normal = almostNormal(mulberry32(seed));
  const weights = new Map<string, Values>();
  let norms = 0;
  const tensors = expectedTensors(config, undefined, "tiny model");
  // Drawn in this order, on which the hashes of test/model/exactness.test.ts depend: norms of blocks before
  // their matrices.
  const inBlock = (name: string) => /\.\d+\./.test(name);
  const rankOf = ({ name, role }: ModelTensor, i: number) =>
    i === 0 ? 0 : !inBlock(name) ? (role === "norm" ? 3 : 4) : role === "norm" ? 1 : 2;
  const drawn = tensors.map((tensor, i) => ({ tensor, rank: rankOf(tensor, i) })).toSorted((a, b) => a.rank - b.rank);
  for (const { tensor } of drawn) {
    const { name, shape } = tensor;
    const length = shape.reduce((product, size) => product * size, 1);
    const isNorm = /norm(s\.\d+)?\.weight$/.test(name);
    const deviation = isNorm || name.endsWith(".bias") ? 0.1 : 1 / Math.sqrt(shape[1]!);
    const data = Float32Array.from({ length }, () => (isNorm ? 1 : 0) + deviation * normal());
    if (isNorm && norms++ % 2 === 0) data[5 % length]! *= outlier;
    weights.set(name, { shape, data });
  }
  return weights;
}

/**
 * Sum of twelve uniform values less 6: mean 0, variance 1, and no logarithm whose last bit depends on the
 * engine.
 */
function almostNormal(random: () => number): () => number {
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += random();
    return sum;
  };
}
