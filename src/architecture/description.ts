/**
 * A model described once, as data: its blocks, what each linear layer reads and what made that. Memory plan,
 * loader, forward pass, observers, quantizer, writer and gradients iterate it; none of them knows an
 * architecture by name.
 */
import { familyOf } from "./families.ts";
import { type BlockNames, blockNames, type ModuleNames, type StoredOrder } from "./family.ts";
import type { ModelConfig, Rope } from "./model-config.ts";

/**
 * The activations of a block that linear layers read: what q, k and v read, the output projection, the MLP's
 * first linears, its last one. Where one norm feeds attention and MLP, "qkv" is what all of them read, and
 * there is no "up". Where a convolution stands in place of attention, "qkv" and "o" are what the linears
 * before and behind it read.
 */
export type InputName = "qkv" | "o" | "up" | "down";
/** In the order data flows through a block. */
export const INPUT_NAMES: readonly InputName[] = ["qkv", "o", "up", "down"];

/** A norm's tensors. */
export interface Norm {
  readonly kind: "rms" | "layer";
  readonly eps: number;
  readonly weight: string; // f32[E]
  readonly bias: string | undefined; // f32[E]
}

/**
 * A linear layer `y[M, N] = x[M, K] * W[N, K]^T (+ bias[N])`. Its tensors are `${name}.weight`,
 * `${name}.bias`, ...
 */
export interface LinearModule {
  /** For instance `model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  readonly outFeatures: number; // N
  readonly inFeatures: number; // K
  readonly bias: boolean;
  readonly storedOrder?: StoredOrder;
}

/** One activation that linear layers read: what FPTQ equalizes, decides and rounds together. */
export interface LinearInput {
  readonly name: InputName;
  readonly layer: number;
  /** `model.layers.3.up`: how reports, figures and policy overrides call it. */
  readonly path: string;
  readonly width: number; // K
  /** What makes it: a norm, whose weight can absorb factors, the residual stream itself, or another step. */
  readonly from: Norm | "stream" | "attention" | "convolution" | "activation";
  /** Fused in this order. */
  readonly modules: readonly LinearModule[];
  /** Norm of what the modules give, before it is added to the residual stream. */
  readonly outputNorm: Norm | undefined;
  /** Norm of the residual stream once that is added. */
  readonly streamNorm: Norm | undefined;
}

/** A short convolution in place of attention: each channel by itself, over the latest `length` tokens. */
export interface Convolution {
  readonly weight: string; // f32[E, 1, length]
  readonly bias: string | undefined; // f32[E]
  readonly length: number; // K
}

/** A norm of queries or keys. */
export interface HeadNorm {
  /** An RMSNorm, of one weight for all parts; a LayerNorm without bias, of weights for each. */
  readonly kind: "rms" | "layer";
  /** The tensors that hold its weights, one after another: f32[width] or f32[parts, width]. */
  readonly weights: readonly { readonly tensor: string; readonly shape: readonly number[] }[];
  /** How many parts of a token are normalized by themselves, and elements of each. */
  readonly parts: number;
  readonly width: number;
}

export interface Block {
  readonly layer: number;
  /** `model.layers.0` */
  readonly name: string;
  /** In the order data flows; files are written and read in it. */
  readonly inputs: readonly LinearInput[];
  readonly queryNorm: HeadNorm | undefined;
  readonly keyNorm: HeadNorm | undefined;
  /** By which of `ropesOf` queries and keys turn; undefined where they do not. */
  readonly rope: number | undefined;
  /** In place of attention, which then has no norms, no rotation and no window. */
  readonly convolution: Convolution | undefined;
  /** Where the scales of an int8 cache live: `${attention}.k_scale`. */
  readonly attention: string;
  /** How many of the latest tokens a token sees, itself included; 0 means all. */
  readonly window: number;
}

export interface Description {
  readonly config: ModelConfig;
  readonly embedding: LinearModule; // [V, W]
  /** From W to E channels, and back; undefined where they are the same. */
  readonly projectIn: LinearModule | undefined;
  readonly projectOut: LinearModule | undefined;
  /** Tensor of the rows added by position, f32[positionOffset + contextLength, E]. */
  readonly positions: string | undefined;
  readonly embeddingNorm: Norm | undefined;
  readonly blocks: readonly Block[];
  readonly finalNorm: Norm | undefined;
  /** [V, W]; the embedding, if tied; undefined for a model that gives states and no logits. */
  readonly head: LinearModule | undefined;
}

/** The rotations of a model, each once: one, or another besides for layers with a window. */
export function ropesOf({ positions, ropeTheta, ropeScaling, windowRope }: ModelConfig): readonly Rope[] {
  if (positions !== "rope") return [];
  return [{ ropeTheta, ropeScaling }, ...(windowRope ? [windowRope] : [])];
}

const described = new WeakMap<ModelConfig, Description>();

/** The description of a model; made once for each configuration. */
export function describeModel(config: ModelConfig): Description {
  let description = described.get(config);
  if (!description) described.set(config, (description = describe(config)));
  return description;
}

function describe(config: ModelConfig): Description {
  const { names, storedOrder = {} } = familyOf(config.architecture);
  const { vocabSize: V, hiddenSize: E, tiedEmbedding, headBias, headless } = config;
  const W = embeddingChannels(config);
  const linear = (name: string, outFeatures: number, inFeatures: number, bias = false) => ({
    name,
    outFeatures,
    inFeatures,
    bias,
  });
  const embedding = linear(names.embedding, V, W);
  return {
    config,
    embedding,
    projectIn: W === E ? undefined : linear(names.projectIn!, E, W),
    projectOut: W === E ? undefined : linear(names.projectOut!, W, E),
    positions: names.positions && `${names.positions}.weight`,
    embeddingNorm: names.embeddingNorm === undefined ? undefined : norm(config, names.embeddingNorm),
    blocks: Array.from({ length: config.layers }, (_, layer) => describeBlock(config, names, storedOrder, layer)),
    finalNorm: config.finalNorm ? norm(config, names.finalNorm) : undefined,
    head: tiedEmbedding ? embedding : headless ? undefined : linear(names.head, V, W, headBias),
  };
}

/** Channels of the embedding and the head, W. */
export function embeddingChannels({ embeddingSize, hiddenSize }: Pick<ModelConfig, "embeddingSize" | "hiddenSize">): number {
  return embeddingSize ?? hiddenSize;
}

function norm({ norm: kind, normBias, rmsNormEps: eps }: ModelConfig, module: string): Norm {
  return { kind, eps, weight: `${module}.weight`, bias: kind === "layer" && normBias ? `${module}.bias` : undefined };
}

function describeBlock(
  config: ModelConfig,
  moduleNames: ModuleNames,
  storedOrder: Readonly<Partial<Record<keyof BlockNames, StoredOrder>>>,
  layer: number,
): Block {
  const { hiddenSize: E, ffnSize: F, heads: H, kvHeads: Hkv, headDim: D, attentionBias, mlpBias } = config;
  const names = blockNames(moduleNames, config, layer);
  const name = `${moduleNames.blocks}.${layer}`;
  const linear = (role: keyof BlockNames, outFeatures: number, inFeatures: number, bias: boolean): LinearModule[] =>
    names[role] === undefined
      ? []
      : [
          {
            name: `${name}.${names[role]}`,
            outFeatures,
            inFeatures,
            bias,
            ...(storedOrder[role] && { storedOrder: storedOrder[role] }),
          },
        ];
  const qkvBias = attentionBias !== "none";
  const qkv = [
    ...linear("qkv", (H + 2 * Hkv) * D, E, qkvBias),
    ...linear("query", H * D, E, qkvBias),
    ...linear("key", Hkv * D, E, qkvBias),
    ...linear("value", Hkv * D, E, qkvBias),
  ];
  const isFused = config.gatedMlp && names.gate === undefined;
  const up = [...linear("gate", F, E, mlpBias), ...linear("up", isFused ? 2 * F : F, E, mlpBias)];
  const input = (
    inputName: InputName,
    width: number,
    from: LinearInput["from"],
    modules: readonly LinearModule[],
    { outputNorm, streamNorm }: { outputNorm?: Norm | undefined; streamNorm?: Norm | undefined } = {},
  ): LinearInput => ({ name: inputName, layer, path: `${name}.${inputName}`, width, from, modules, outputNorm, streamNorm });
  const normOf = (role: keyof BlockNames) => (names[role] === undefined ? undefined : norm(config, `${name}.${names[role]}`));

  const convolution = describeConvolution(config, names.convolution && `${name}.${names.convolution}`);
  const before = convolution ? linear("convolutionIn", 3 * E, E, config.convolutionBias) : qkv;
  const behind = convolution
    ? linear("convolutionOut", E, E, config.convolutionBias)
    : linear("output", E, H * D, attentionBias === "qkvo");
  const [attentionNorm, mlpNorm] = [normOf("attentionNorm"), normOf("mlpNorm")];
  const isShared = attentionNorm !== undefined && mlpNorm === undefined;
  const window = config.attentionWindows[layer]!;
  const turns = config.positions === "rope" && !convolution && !config.unrotatedLayers.includes(layer);
  return {
    layer,
    name,
    inputs: [
      input("qkv", E, attentionNorm ?? "stream", isShared ? [...before, ...up] : before),
      input("o", convolution ? E : H * D, convolution ? "convolution" : "attention", behind, {
        outputNorm: normOf("attentionOutputNorm"),
        streamNorm: normOf("attentionStreamNorm"),
      }),
      ...(isShared ? [] : [input("up", E, mlpNorm ?? "stream", up)]),
      input("down", F, "activation", linear("down", E, F, mlpBias), {
        outputNorm: normOf("mlpOutputNorm"),
        streamNorm: normOf("mlpStreamNorm"),
      }),
    ],
    queryNorm: names.queryNorm === undefined ? undefined : headNorm(config, `${name}.${names.queryNorm}`, H),
    keyNorm: names.keyNorm === undefined ? undefined : headNorm(config, `${name}.${names.keyNorm}`, Hkv),
    convolution,
    rope: turns ? (config.windowRope && window > 0 ? 1 : 0) : undefined,
    attention: `${name}.${names.attention}`,
    window,
  };
}

function describeConvolution(config: ModelConfig, module: string | undefined): Convolution | undefined {
  if (module === undefined) return undefined;
  const { convolutionLength: length, convolutionBias } = config;
  return { weight: `${module}.weight`, bias: convolutionBias ? `${module}.bias` : undefined, length };
}

function headNorm({ qkNorm, headDim: D }: ModelConfig, module: string, heads: number): HeadNorm | undefined {
  const weight = (name: string, ...shape: number[]) => ({ tensor: `${name}.weight`, shape });
  switch (qkNorm) {
    case "none":
      return undefined;
    case "head":
      return { kind: "rms", weights: [weight(module, D)], parts: heads, width: D };
    case "all":
      return { kind: "rms", weights: [weight(module, heads * D)], parts: 1, width: heads * D };
    case "each": {
      const weights = module.endsWith("*")
        ? Array.from({ length: heads }, (_, head) => weight(module.replace("*", `${head}`), D))
        : [weight(module, heads, D)];
      return { kind: "layer", weights, parts: heads, width: D };
    }
  }
}

/** Every linear input of a model, in the order data flows. */
export function allInputs({ blocks }: Description): readonly LinearInput[] {
  return blocks.flatMap(({ inputs }) => inputs);
}

/**
 * Every linear module of every block, in the order data flows. The embedding and the head are not among them.
 */
export function blockModules(description: Description): readonly LinearModule[] {
  return allInputs(description).flatMap(({ modules }) => modules);
}

/** The largest in_features of any linear layer, and so the widest row that is quantized. */
export function widestInput({ config, blocks }: Description): number {
  return Math.max(embeddingChannels(config), ...blocks.flatMap(({ inputs }) => inputs.map(({ width }) => width)));
}

/** The norm an input comes from; undefined if another step makes it. */
export function precedingNorm({ from }: Pick<LinearInput, "from">): Norm | undefined {
  return typeof from === "string" ? undefined : from;
}

/** One value for each input that a block has. */
export type ByInput<T> = Readonly<Record<Exclude<InputName, "up">, T>> & { readonly up?: T };

/** Makes a value for each input of a block. */
export function mapInputs<T>({ inputs }: Pick<Block, "inputs">, make: (input: LinearInput) => T): ByInput<T> {
  return Object.fromEntries(inputs.map((input) => [input.name, make(input)])) as unknown as ByInput<T>;
}
