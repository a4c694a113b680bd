/**
 * A model of the shape of Llama 3 8B with random W4A8 weights, larger than one memory: what it takes, and how
 * fast it is. Weights are drawn while they are loaded, so there is no file of 5 GB.
 *
 *     npm run bench:large -- [--layers 32] [--tokens 8] [--prompt 8] [--context 1024] [--threads N]
 *         [--memory-limit BYTES]
 *
 * Text is not looked at: random weights have none. That logits are finite the forward pass checks itself.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { describeModel } from "../src/architecture/description.ts";
import { type ModelConfig, USUAL } from "../src/architecture/model-config.ts";
import type { Checkpoint, TensorInfo } from "../src/checkpoint/checkpoint.ts";
import { expectedTensors } from "../src/checkpoint/expected-tensors.ts";
import { formatBytes } from "../src/cli/quantities.ts";
import { nodeHost } from "../src/host/node.ts";
import { Transformer } from "../src/model/transformer.ts";
import { mulberry32 } from "../test/random.ts";

const { values: flags } = parseArgs({
  options: {
    layers: { type: "string", default: "32" },
    tokens: { type: "string", default: "8" },
    prompt: { type: "string", default: "8" },
    context: { type: "string", default: "1024" },
    threads: { type: "string" },
    "memory-limit": { type: "string" },
  },
});
const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));

const layers = Number(flags.layers);
const CONFIG: ModelConfig = {
  ...USUAL,
  architecture: "llama",
  vocabSize: 128_256,
  hiddenSize: 4096,
  layers,
  heads: 32,
  kvHeads: 8,
  headDim: 128,
  ffnSize: 14_336,
  norm: "rms",
  rmsNormEps: 1e-5,
  positions: "rope",
  rotaryDim: 128,
  ropeTheta: 500_000,
  ropeScaling: { kind: "none" },
  contextLength: 8192,
  attentionWindows: Array.from({ length: layers }, () => 0),
  tiedEmbedding: false,
  attentionBias: "none",
  mlpBias: false,
  headBias: false,
  activation: "silu",
  gatedMlp: true,
  parallelResidual: false,
  qkNorm: "none",
};
const GROUP = 128;
/** Codes drawn once; each read begins somewhere else in them. */
const DRAWN = 1 << 20;

const checkpoint = randomCheckpoint(1);
console.log(`${cpus()[0]?.model}, Node ${process.version}; E 4096, F 14336, L ${layers}, V 128256, groups of ${GROUP}`);
const began = performance.now();
const model = await Transformer.load(checkpoint, nodeHost, {
  contextSize: Number(flags.context),
  threads: number(flags.threads),
  memoryLimit: number(flags["memory-limit"]),
  onWarning: (message) => console.log(`warning: ${message}`),
});
const loaded = (performance.now() - began) / 1000;
const { weights, kvCache, scratch } = model.memory();
const parts = `weights ${formatBytes(weights)}, cache ${formatBytes(kvCache)}, scratch ${formatBytes(scratch)}`;
console.log(`loaded in ${loaded.toFixed(1)} s: ${model.memories} memories, ${parts}`);
console.log(`${model.build} build, threads: ${model.threads}`);
try {
  const prompt = Array.from({ length: Number(flags.prompt) }, (_, i) => 1000 + i);
  let last = performance.now();
  let logits = (await model.forward(prompt, { logits: "last" }))!;
  console.log(`prefill of ${prompt.length} tokens: ${perSecond(prompt.length, last)} tokens/s`);
  last = performance.now();
  const ids: number[] = [];
  for (let token = 0; token < Number(flags.tokens); token++) {
    ids.push(model.argmax(logits));
    logits = (await model.forward(ids.slice(-1), { logits: "last" }))!;
  }
  console.log(`decode of ${ids.length} tokens: ${perSecond(ids.length, last)} tokens/s; ids ${ids.join(" ")}`);
  const { rss } = process.memoryUsage();
  console.log(`resident: ${formatBytes(rss)}, at most ${formatBytes(process.resourceUsage().maxRSS * 1024)}`);
} finally {
  await model.dispose();
}

function perSecond(tokens: number, since: number): string {
  return ((1000 * tokens) / (performance.now() - since)).toFixed(2);
}

/** Weights of a variance that keeps activations at their size: 4 bits in blocks, 8 in embedding and head. */
function randomCheckpoint(seed: number): Checkpoint {
  const random = mulberry32(seed);
  const words = Int32Array.from({ length: DRAWN }, () => Math.floor(2 ** 32 * random()) | 0);
  const inBlocks = new Map(
    describeModel(CONFIG)
      .blocks.flatMap(({ inputs }) => inputs.flatMap(({ modules }) => modules))
      .map(({ name, inFeatures }) => [name, inFeatures] as const),
  );
  const bytesOf = (name: string, shape: readonly number[]) => {
    const elements = shape.reduce((product, size) => product * size, 1);
    return shape.length === 1 ? 4 * elements : inBlocks.has(moduleOf(name)) ? elements / 2 + elements / 32 : elements;
  };
  const tensors = new Map<string, TensorInfo>();
  for (const { name: floats, shape } of expectedTensors(CONFIG, undefined, "random")) {
    const type = shape.length === 1 ? "F32" : inBlocks.has(moduleOf(floats)) ? "INT4" : "INT8";
    // What has a tensor of this name instead is quantized and has no floats.
    const name = type === "F32" ? floats : `${moduleOf(floats)}.weight_packed`;
    tensors.set(name, { name, type, shape, bytes: bytesOf(name, shape), file: "random" });
  }
  const refuse = (what: string) => () => Promise.reject(new Error(`${what}: a random checkpoint has none`));
  return {
    name: "random",
    format: "safetensors",
    config: CONFIG,
    configJson: {},
    quantization: {
      linear: (name) =>
        inBlocks.has(name) ? { weights: "int4", groupSize: GROUP, activations: { kind: "dynamic" } } : undefined,
      kvCache: "q8t",
    },
    tokenizer: undefined,
    generation: { eosTokenIds: [], sampling: {} },
    tensors,
    notes: [],
    // Norms alone are floats.
    readF32: (name) => Promise.resolve(new Float32Array(tensors.get(name)!.shape[0]!).fill(1)),
    readRaw: refuse("raw bytes"),
    keptForm: (module) => (inBlocks.has(module) ? { form: "qb4w", groupSize: GROUP } : { form: "qc8w" }),
    async readKept(module, { rows = [0, 0] } = {}) {
      await nodeHost.yieldToEvents(); // as a file does, so that threads are heard of that have started
      const count = rows[1] - rows[0];
      const K = inBlocks.get(module) ?? CONFIG.hiddenSize;
      const isBlock = inBlocks.has(module);
      const codes = new Int32Array((count * K) / (isBlock ? 8 : 4));
      for (let at = 0; at < codes.length;) {
        const from = Math.floor(random() * DRAWN);
        const piece = words.subarray(from, from + codes.length - at);
        codes.set(piece, at);
        at += piece.length;
      }
      // Uniform codes have a deviation of 4.6, or 74 with 8 bits.
      const scale = 1 / ((isBlock ? 4.6 : 74) * Math.sqrt(K));
      const scales = new Float32Array(isBlock ? count * (K / GROUP) : count).fill(scale);
      return { rows: count, arrays: [codes, scales] };
    },
    verify: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

function moduleOf(tensor: string): string {
  return tensor.slice(0, tensor.lastIndexOf("."));
}
