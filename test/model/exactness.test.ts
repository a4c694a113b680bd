/**
 * One SHA-256 for a model's logits, whatever computes them: each build the engine has, one to three threads,
 * the sequence in one chunk, in chunks of seven and token by token. The hashes are written down, so that
 * engines that run this file agree with one another: Node 20, which has no relaxed SIMD, by `npm test`, a
 * current Node by `npm run test:relaxed`. Only a change of the arithmetic or of the quantizer may change
 * them.
 */
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openGgufCheckpoint } from "../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import type { BuildName } from "../../src/kernels/kernel-build.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { BlockType } from "../checkpoint/gguf/ggml-oracle.ts";
import { buildGguf, memoryFile } from "../checkpoint/gguf/gguf-fixture.ts";
import { tinyGguf } from "../checkpoint/gguf/tiny-gguf.ts";
import { SIMD_BUILDS } from "../kernels/kernel-memory.ts";
import { MemoryFile, MemoryOutputFolder } from "../memory-folder.ts";
import { tinySamples } from "../quantizer/tiny-samples.ts";
import { mulberry32 } from "../random.ts";
import { sharedFile, SMOLLM2 } from "../shared-data.ts";
import { tinyModel, type TinyModelOptions } from "../tiny-model.ts";

const SEED = 97;
const POSITIONS = 64;
const CHUNKS = [POSITIONS, 7, 1];
const test = suite(`exactness (seed ${SEED})`);

/** Logits f32[64, V] of one way to run a model. */
async function hashOf(checkpoint: Checkpoint, build: BuildName, threads: number, chunk: number): Promise<string> {
  const random = mulberry32(SEED);
  const { vocabSize: V } = checkpoint.config;
  const ids = Array.from({ length: POSITIONS }, () => Math.floor(random() * V));
  const model = await Transformer.load(checkpoint, nodeHost, { build, threads, contextSize: 128 });
  const hash = createHash("sha256");
  try {
    assert.is(model.build, build);
    assert.is(model.threads, threads);
    for (let begin = 0; begin < POSITIONS; begin += chunk) {
      await model.forward(ids.slice(begin, begin + chunk), { logits: ({ values }) => hash.update(values) });
    }
  } finally {
    await model.dispose();
  }
  return hash.digest("hex");
}

function everyWay(name: string, quantized: () => Promise<Checkpoint>, expected: string): void {
  test(`${name}: {${SIMD_BUILDS}} x {1, 2, 3 threads} x {chunks of ${CHUNKS}}: one hash`, async () => {
    const checkpoint = await quantized();
    const found = new Map<string, string[]>();
    for (const build of SIMD_BUILDS) {
      for (const threads of [1, 2, 3]) {
        for (const chunk of CHUNKS) {
          const hash = await hashOf(checkpoint, build, threads, chunk);
          found.set(hash, [...(found.get(hash) ?? []), `${build}, ${threads} threads, chunks of ${chunk}`]);
        }
      }
    }
    await checkpoint.close();
    assert.equal([...found.keys()], [expected], JSON.stringify([...found], null, 1));
    console.log(
      `\nfigure: ${name}: ${found.get(expected)!.length} ways, ${expected.slice(0, 16)}, Node ${process.versions.node}`,
    );
  });
}

/** W4A8 with thresholds that let static, equalized and dynamic inputs occur. */
async function quantize(
  source: Checkpoint,
  groupSize: number,
  samples: Int32Array[],
  options: RecipeOptions = {},
): Promise<Checkpoint> {
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe("fptq", { groupSize, embedding: "q8", ...options });
  await quantizeModel(source, { samples }, recipe, output, { host: nodeHost, threads: 1 });
  await source.close();
  return openSafetensorsCheckpoint(output.result);
}

everyWay(
  "tiny model",
  async () => quantize(await openSafetensorsCheckpoint(tinyModel(SEED)), 32, tinySamples(SEED, 4, 64)),
  "49332ecfd818148f59d54dc0aa8dd8d6e693425d216fe5c192a9bca67a19ff92",
);

everyWay(
  "tiny model, cache scales per token and head",
  async () => quantize(await openSafetensorsCheckpoint(tinyModel(SEED)), 32, tinySamples(SEED, 4, 64), { kvCache: "q8t" }),
  "8fcb5c8ebc93059e2d7e5f17a4963883a8bddfd6d42a20ecd98ab57797f06a1c",
);

for (const [activations, hash] of [
  ["fp8", "98e86a52645be2400dddb9832dfe8d7ea433c1658d984485d5147e193f42434b"],
  ["fp8-e5m2", "18534df2a49cc868ee1cc014a44cc1567c09d178bdf27b06a70f81e75b74615f"],
] as const) {
  everyWay(
    `tiny model, ${activations} activations`,
    async () => quantize(await openSafetensorsCheckpoint(tinyModel(SEED)), 32, tinySamples(SEED, 4, 64), { activations }),
    hash,
  );
}

everyWay(
  "tiny model, 4-bit floats",
  async () => quantize(await openSafetensorsCheckpoint(tinyModel(SEED)), 32, tinySamples(SEED, 4, 64), { weights: "fp4" }),
  "22baffeae295433c27fdd036858370d803c3570a895d4c53695f216e88d777c0",
);

/** Types of a GGUF's matrices by their names; the others have the first. Some layers have several. */
const KEPT: readonly [types: Record<string, BlockType>, hash: string][] = [
  [
    { "": "Q4_1", attn_v: "Q8_0", attn_output: "Q4_0", ffn_gate: "Q5_0", ffn_up: "Q5_1", ffn_down: "IQ4_NL" },
    "1ee56f112a13959d487d5c012f4fc5512818e08915559c642474f8a7107a17e1",
  ],
  [
    { "": "Q4_K", attn_v: "Q6_K", attn_output: "MXFP4", ffn_down: "Q6_K" },
    "1ec1707e996d5509466054a7c82bc115103b0702a1d7ca5ea92c6c4c5ab7bc67",
  ],
  [
    { "": "Q2_K", attn_v: "Q4_K", attn_output: "F32", ffn_gate: "IQ4_XS", ffn_up: "Q3_K", ffn_down: "Q5_K" },
    "12f0e417055a72ec922a869d6ce1f79c66d34de44b0c249197df323b96571001",
  ],
];

for (const [types, hash] of KEPT) {
  everyWay(
    `weights kept as ${[...new Set(Object.values(types))].join(", ")}`,
    () => {
      const typeOf = (name: string) => types[/^blk\.\d+\.(.*)\.weight$/.exec(name)?.[1] ?? ""];
      const { fixture } = tinyGguf({ architecture: "llama", type: types[""]!, typeOf, size: "small", seed: SEED });
      return openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
    },
    hash,
  );
}

/** What Gemma, Granite, GLM and SmolLM3 bring, each from one of them. */
const STRUCTURES: Record<string, [TinyModelOptions, string]> = {
  "caps, windows in some layers, norms around both branches": [
    {
      architecture: "gemma2",
      config: {
        activation: "gelu_tanh", scoreDivisor: 3, scoreCap: 5, logitCap: 20, embeddingScale: 8, attentionWindows: [8, 0, 8],
      },
    },
    "3ed912892765e19f9109c1647f64ba621d44c835145205a978577cadbf8f355d",
  ],
  "two rotations, norms of heads": [
    {
      architecture: "gemma3_text",
      config: {
        activation: "gelu_tanh", scoreDivisor: 4, qkNorm: "head", embeddingScale: 8, attentionWindows: [8, 8, 0], ropeTheta: 1e6,
        ropeScaling: { kind: "linear", factor: 8 }, windowRope: { ropeTheta: 1e4, ropeScaling: { kind: "none" } },
      },
    },
    "0d203dbb37cccda10e0323b81ecc27de11ecda70710f10671589192ce5f38317",
  ],
  "neighbouring channels turn, gate and up in one module": [
    { architecture: "glm4", config: { rotaryPairs: "neighbours", rotaryDim: 8, attentionBias: "qkv" } },
    "03e4f9b6a6a4d25bd895843a6054fca676635b91816869c7c8d2e3b3c2b142b8",
  ],
  "inputs from the stream, norms of all heads": [{ architecture: "olmo2", config: { qkNorm: "all" } }, "55af7d2df675bd266ac6cc38518cb63cbdcbee8b639b083cdabbc02dff34a29a"],
  "numbers that multiply embedding, branches and logits": [
    { architecture: "granite", config: { scoreDivisor: 3, embeddingScale: 12, residualScale: 0.22, logitScale: 1 / 3 } },
    "149655dc523ac6dc0a5f4e87b510b9d94bbc2b0f780a464a344cc5cd0e211c8d",
  ],
}; // prettier-ignore

for (const [name, [model, hash]] of Object.entries(STRUCTURES)) {
  everyWay(
    `tiny ${model.architecture}: ${name}`,
    async () =>
      quantize(await openSafetensorsCheckpoint(tinyModel(SEED, model)), 32, tinySamples(SEED, 4, 64), { kvCache: "q8t" }),
    hash,
  );
}
everyWay(
  "tiny LFM2: convolution layers",
  async () => {
    const config = { qkNorm: "head", convolutionLayers: [0, 2], convolutionLength: 3 } as const;
    const source = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture: "lfm2", config }));
    return quantize(source, 32, tinySamples(SEED, 4, 64));
  },
  "cc0d8e427f032abe44bda282635ec222e3dacb6f877153aa41bb3771b9ede278",
);

everyWay(
  "tiny StableLM: one norm for both branches, norms over heads",
  async () => {
    const config = { norm: "layer", qkNorm: "each", parallelResidual: true, rotaryDim: 4, tiedEmbedding: false } as const;
    const source = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture: "stablelm", config }));
    return quantize(source, 32, tinySamples(SEED, 4, 64));
  },
  "c89627e50067a0e3d0cc0b4476b359071bc1e5349244f4d6072b44591f0faad9",
);

const gguf = sharedFile(SMOLLM2);
if (gguf) {
  everyWay(
    "SmolLM2-135M",
    async () => {
      const source = await openCheckpoint({ kind: "file", file: new MemoryFile("SmolLM2.gguf", gguf) });
      return quantize(source, 64, tinySamples(SEED, 2, 64));
    },
    "015deea80fd6d4c7727d22f14c4165bccceed6d98e318a2c217da7abcdfc67d5",
  );
  everyWay(
    "SmolLM2-135M, cache scales per token and head",
    async () => {
      const source = await openCheckpoint({ kind: "file", file: new MemoryFile("SmolLM2.gguf", gguf) });
      return quantize(source, 64, tinySamples(SEED, 2, 64), { kvCache: "q8t" });
    },
    "4c65f5f759912b35a9823de71a1260acf9fd6252887e19360a6ae1d2704d72ea",
  );
}

test.run();
