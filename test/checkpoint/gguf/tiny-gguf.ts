/**
 * A tiny model of any architecture and tensor type as a GGUF, with the Hugging Face form it stands for; or a
 * folder's model as a GGUF.
 */
import type { Checkpoint } from "../../../src/checkpoint/checkpoint.ts";
import { BLOCKS, type BlockType, blockValue, randomBlocks } from "./ggml-oracle.ts";
import {
  type Fixture,
  type FixtureTensor,
  type FixtureValue,
  bool,
  concatenate,
  f32,
  i32s,
  string,
  u32,
} from "./gguf-fixture.ts";
import type { ModelConfig, RopeScaling } from "../../../src/architecture/model-config.ts";
import { mulberry32 } from "../../random.ts";

export interface TinyModel {
  readonly architecture: "llama" | "qwen2" | "qwen3";
  readonly type?: BlockType;
  /** The type of a matrix by its name in the file; of others it is `type`. */
  readonly typeOf?: (name: string) => BlockType | undefined;
  readonly size?: "any" | "small";
  readonly F?: number;
  readonly isTied?: boolean;
  readonly attentionBias?: "none" | "qkv" | "qkvo";
  readonly mlpBias?: boolean;
  readonly seed?: number;
}

export interface TinyGguf {
  readonly fixture: Fixture;
  /** By Hugging Face name: shape and values in Hugging Face row order. */
  readonly expected: ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;
}

/** Sizes of the model; the head dimension differs from E / H on purpose. */
export const TINY = { E: 32, F: 96, V: 40, L: 2, H: 4, Hkv: 2, D: 16 } as const;

/** The same, with rows as long as the blocks of a type. */
function sizesFor(type: BlockType): Record<keyof typeof TINY, number> {
  return BLOCKS[type].elements === 256 ? { ...TINY, E: 256, F: 256, L: 1 } : TINY;
}

/** Rows as convert_hf_to_gguf reorders them: reshape(heads, 2, D/2).swapaxes(1, 2). */
function permuted(rows: readonly Uint8Array[], heads: number): Uint8Array[] {
  const perHead = rows.length / heads;
  const out: Uint8Array[] = [];
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < perHead / 2; i++) {
      for (const half of [0, 1]) out.push(rows[head * perHead + half * (perHead / 2) + i]!);
    }
  }
  return out;
}

export function tinyGguf({
  architecture,
  type = "F32",
  typeOf = () => undefined,
  size: magnitude = "any",
  F: ffn,
  isTied = true,
  attentionBias = architecture === "qwen2" ? "qkv" : "none",
  mlpBias = false,
  seed = 1,
}: TinyModel): TinyGguf {
  const sizes = { ...sizesFor(type), ...(ffn !== undefined && { F: ffn }) };
  const { E, F, V, L, H, Hkv, D } = sizes;
  const random = mulberry32(seed);
  const tensors: FixtureTensor[] = [];
  const expected = new Map<string, { shape: number[]; values: Float32Array }>();

  const add = (name: string, huggingFace: string, shape: number[], permutedHeads = 0) => {
    const stored: BlockType = shape.length === 1 ? "F32" : (typeOf(name) ?? type);
    const { id, elements, bytes } = BLOCKS[stored];
    const size = shape.reduce((product, length) => product * length, 1);
    const data = randomBlocks(stored, size / elements, random, magnitude);
    expected.set(huggingFace, { shape, values: Float32Array.from({ length: size }, (_, i) => blockValue(stored, data, i)) });
    const rowBytes = ((shape[1] ?? 1) / elements) * bytes;
    const rows = Array.from({ length: shape[0]! }, (_, row) => data.subarray(row * rowBytes, (row + 1) * rowBytes));
    const inFile = permutedHeads > 0 && architecture === "llama" ? permuted(rows, permutedHeads) : rows;
    tensors.push({ name, dims: shape.toReversed(), typeId: id, data: concatenate(inFile) });
  };

  add("token_embd.weight", "model.embed_tokens.weight", [V, E]);
  for (let layer = 0; layer < L; layer++) {
    const [from, to] = [`blk.${layer}`, `model.layers.${layer}`];
    const linear = (name: string, huggingFace: string, rows: number, columns: number, hasBias: boolean, permutedHeads = 0) => {
      add(`${from}.${name}.weight`, `${to}.${huggingFace}.weight`, [rows, columns], permutedHeads);
      if (hasBias) add(`${from}.${name}.bias`, `${to}.${huggingFace}.bias`, [rows], permutedHeads);
    };
    const qkvBias = attentionBias !== "none";
    add(`${from}.attn_norm.weight`, `${to}.input_layernorm.weight`, [E]);
    linear("attn_q", "self_attn.q_proj", H * D, E, qkvBias, H);
    linear("attn_k", "self_attn.k_proj", Hkv * D, E, qkvBias, Hkv);
    linear("attn_v", "self_attn.v_proj", Hkv * D, E, qkvBias);
    // o_proj has H * D = 64 columns: too few for a block of 256, which quantizers answer with a smaller
    // block.
    const { elements } = BLOCKS[typeOf(`${from}.attn_output.weight`) ?? type];
    if (elements <= H * D) linear("attn_output", "self_attn.o_proj", E, H * D, attentionBias === "qkvo");
    else tensors.push(...floatMatrix(`${from}.attn_output.weight`, `${to}.self_attn.o_proj.weight`, E, H * D));
    if (architecture === "qwen3") {
      add(`${from}.attn_q_norm.weight`, `${to}.self_attn.q_norm.weight`, [D]);
      add(`${from}.attn_k_norm.weight`, `${to}.self_attn.k_norm.weight`, [D]);
    }
    add(`${from}.ffn_norm.weight`, `${to}.post_attention_layernorm.weight`, [E]);
    linear("ffn_gate", "mlp.gate_proj", F, E, mlpBias);
    linear("ffn_up", "mlp.up_proj", F, E, mlpBias);
    linear("ffn_down", "mlp.down_proj", E, F, mlpBias);
  }
  add("output_norm.weight", "model.norm.weight", [E]);
  if (!isTied) add("output.weight", "lm_head.weight", [V, E]);

  function floatMatrix(name: string, huggingFace: string, rows: number, columns: number): FixtureTensor[] {
    const data = randomBlocks("F32", rows * columns, random);
    expected.set(huggingFace, {
      shape: [rows, columns],
      values: Float32Array.from({ length: rows * columns }, (_, i) => blockValue("F32", data, i)),
    });
    return [{ name, dims: [columns, rows], typeId: BLOCKS.F32.id, data }];
  }

  return { fixture: { metadata: tinyMetadata(architecture, sizes), tensors }, expected };
}

function tinyMetadata(architecture: string, { E, F, L, H, Hkv, D }: ReturnType<typeof sizesFor>): [string, FixtureValue][] {
  return [
    ["general.architecture", string(architecture)],
    [`${architecture}.block_count`, u32(L)],
    [`${architecture}.context_length`, u32(128)],
    [`${architecture}.embedding_length`, u32(E)],
    [`${architecture}.feed_forward_length`, u32(F)],
    [`${architecture}.attention.head_count`, u32(H)],
    [`${architecture}.attention.head_count_kv`, u32(Hkv)],
    [`${architecture}.attention.key_length`, u32(D)],
    [`${architecture}.attention.value_length`, u32(D)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, f32(1e-5)],
    [`${architecture}.rope.freq_base`, f32(500000)],
  ];
}

/**
 * `general.architecture` and names as gguf-py has them (`tensor_mapping.py`), and whether the converter
 * permutes the rows of q and k.
 */
const LLAMA_NAMES = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "self_attn.o_proj": "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

const GEMMA_NAMES = {
  ...LLAMA_NAMES,
  post_attention_layernorm: "post_attention_norm",
  pre_feedforward_layernorm: "ffn_norm",
  post_feedforward_layernorm: "post_ffw_norm",
};

const GGUF_NAMES: Record<string, { architecture: string; names: Record<string, string>; isPermuted?: boolean }> = {
  starcoder2: { architecture: "starcoder2", names: { ...LLAMA_NAMES, "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down" } },
  stablelm: { architecture: "stablelm", names: LLAMA_NAMES },
  cohere: { architecture: "command-r", names: LLAMA_NAMES },
  lfm2: {
    architecture: "lfm2",
    names: {
      ...LLAMA_NAMES,
      "model.embedding_norm": "token_embd_norm",
      operator_norm: "attn_norm",
      ffn_norm: "ffn_norm",
      "self_attn.q_layernorm": "attn_q_norm",
      "self_attn.k_layernorm": "attn_k_norm",
      "self_attn.out_proj": "attn_output",
      "conv.in_proj": "shortconv.in_proj",
      "conv.conv": "shortconv.conv",
      "conv.out_proj": "shortconv.out_proj",
      "feed_forward.w1": "ffn_gate",
      "feed_forward.w3": "ffn_up",
      "feed_forward.w2": "ffn_down",
    },
  },
  olmo2: {
    architecture: "olmo2",
    names: {
      ...LLAMA_NAMES,
      post_attention_layernorm: "post_attention_norm",
      post_feedforward_layernorm: "post_ffw_norm",
    },
  },
  glm: { architecture: "chatglm", names: { ...LLAMA_NAMES, "mlp.gate_up_proj": "ffn_up" } },
  glm4: {
    architecture: "glm4",
    names: {
      ...LLAMA_NAMES,
      "mlp.gate_up_proj": "ffn_up",
      post_self_attn_layernorm: "post_attention_norm",
      post_mlp_layernorm: "post_ffw_norm",
    },
  },
  phi3: {
    architecture: "phi3",
    names: { ...LLAMA_NAMES, "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up" },
  },
  smollm3: { architecture: "smollm3", names: LLAMA_NAMES, isPermuted: true },
  granite: { architecture: "granite", names: LLAMA_NAMES, isPermuted: true },
  gemma2: { architecture: "gemma2", names: GEMMA_NAMES },
  gemma3_text: { architecture: "gemma3", names: GEMMA_NAMES },
  gpt2: {
    architecture: "gpt2",
    names: {
      "transformer.wte": "token_embd",
      "transformer.wpe": "position_embd",
      "transformer.ln_f": "output_norm",
      lm_head: "output",
      ln_1: "attn_norm",
      "attn.c_attn": "attn_qkv",
      "attn.c_proj": "attn_output",
      ln_2: "ffn_norm",
      "mlp.c_fc": "ffn_up",
      "mlp.c_proj": "ffn_down",
    },
  },
  phi: {
    architecture: "phi2",
    names: {
      "model.embed_tokens": "token_embd",
      "model.final_layernorm": "output_norm",
      lm_head: "output",
      input_layernorm: "attn_norm",
      "self_attn.q_proj": "attn_q",
      "self_attn.k_proj": "attn_k",
      "self_attn.v_proj": "attn_v",
      "self_attn.dense": "attn_output",
      "mlp.fc1": "ffn_up",
      "mlp.fc2": "ffn_down",
    },
  },
  gpt_neox: {
    architecture: "gptneox",
    names: {
      "gpt_neox.embed_in": "token_embd",
      "gpt_neox.final_layer_norm": "output_norm",
      embed_out: "output",
      input_layernorm: "attn_norm",
      "attention.query_key_value": "attn_qkv",
      "attention.dense": "attn_output",
      post_attention_layernorm: "ffn_norm",
      "mlp.dense_h_to_4h": "ffn_up",
      "mlp.dense_4h_to_h": "ffn_down",
    },
  },
  bloom: {
    architecture: "bloom",
    names: {
      "transformer.word_embeddings": "token_embd",
      "transformer.word_embeddings_layernorm": "token_embd_norm",
      "transformer.ln_f": "output_norm",
      lm_head: "output",
      input_layernorm: "attn_norm",
      "self_attention.query_key_value": "attn_qkv",
      "self_attention.dense": "attn_output",
      post_attention_layernorm: "ffn_norm",
      "mlp.dense_h_to_4h": "ffn_up",
      "mlp.dense_4h_to_h": "ffn_down",
    },
  },
};

function rowsOf(data: Uint8Array, rows: number): Uint8Array[] {
  const bytes = data.length / rows;
  return Array.from({ length: rows }, (_, row) => data.subarray(row * bytes, (row + 1) * bytes));
}

function ggufName(name: string, names: Record<string, string>): string {
  const [, module, kind] = /^(.+)\.(weight|bias)$/.exec(name)!;
  const [, layer, inBlock] = /^.+\.(?:h|layers)\.(\d+)\.(.+)$/.exec(module!) ?? [];
  return layer === undefined ? `${names[module!]}.${kind}` : `blk.${layer}.${names[inBlock!]}.${kind}`;
}

function longRopeAttention({ attention, originalContextLength }: Extract<RopeScaling, { kind: "longrope" }>): number {
  if ("factor" in attention) return attention.factor;
  return Math.sqrt(1 + Math.log(attention.extension) / Math.log(originalContextLength));
}

/** Keys that the converter's classes of Granite and Gemma add. */
function ownKeys(config: ModelConfig, prefix: string): [string, FixtureValue][] {
  const linear: [string, FixtureValue][] =
    config.ropeScaling.kind === "linear"
      ? [
          [`${prefix}.rope.scaling.type`, string("linear")],
          [`${prefix}.rope.scaling.factor`, f32(config.ropeScaling.factor)],
        ]
      : [];
  if (prefix === "granite") {
    return [
      [`${prefix}.attention.scale`, f32(1 / config.scoreDivisor!)],
      [`${prefix}.embedding_scale`, f32(config.embeddingScale)],
      [`${prefix}.residual_scale`, f32(config.residualScale)],
      [`${prefix}.logit_scale`, f32(1 / config.logitScale)],
    ];
  }
  if (!prefix.startsWith("gemma")) return linear;
  return [
    ...linear,
    ...(config.scoreCap > 0 ? [[`${prefix}.attn_logit_softcapping`, f32(config.scoreCap)] as const] : []),
    ...(config.logitCap > 0 ? [[`${prefix}.final_logit_softcapping`, f32(config.logitCap)] as const] : []),
  ].map(([key, value]) => [key, value]);
}

/**
 * What llama.cpp's converter makes of a model: float32, canonical rows but those it permutes, and the keys
 * its classes write
 * (`conversion/*.py`).
 */
export async function ggufOf(checkpoint: Checkpoint): Promise<Fixture> {
  const { config } = checkpoint;
  const { architecture, names, isPermuted = false } = GGUF_NAMES[config.architecture]!;
  const tensors: FixtureTensor[] = [];
  const norms = new Map<string, Uint8Array[]>();
  for (const { name, shape } of checkpoint.tensors.values()) {
    const data = new Uint8Array((await checkpoint.readF32(name)).buffer);
    const heads =
      isPermuted && name.includes(".q_proj.") ? config.heads : isPermuted && name.includes(".k_proj.") ? config.kvHeads : 0;
    const inFile = heads > 0 ? concatenate(permuted(rowsOf(data, shape[0]!), heads)) : data;
    const [, norm, head] = /^(.*_layernorm)\.norms\.(\d+)\.weight$/.exec(name) ?? [];
    if (norm !== undefined) {
      // Those of all heads become one tensor.
      const whole = norms.get(norm) ?? [];
      norms.set(norm, whole);
      whole[Number(head)] = inFile;
      continue;
    }
    const isConvolution = name.endsWith(".conv.conv.weight"); // [E, 1, K], squeezed
    const dims = isConvolution ? [shape[2]!, shape[0]!] : shape.toReversed();
    tensors.push({ name: ggufName(name, names), dims, typeId: BLOCKS.F32.id, data: inFile });
  }
  for (const [norm, heads] of norms) {
    const kind = norm.includes(".q_") ? "attn_q_norm" : "attn_k_norm";
    const name = `blk.${/\d+/.exec(norm)![0]}.${kind}.weight`;
    tensors.push({ name, dims: [heads[0]!.length / 4, heads.length], typeId: BLOCKS.F32.id, data: concatenate(heads) });
  }
  const { ropeScaling: scaling } = config;
  if (scaling.kind === "longrope") {
    for (const [list, factors] of [["long", scaling.longFactors], ["short", scaling.shortFactors]] as const) {
      const data = new Uint8Array(Float32Array.from(factors).buffer);
      tensors.push({ name: `rope_factors_${list}.weight`, dims: [factors.length], typeId: BLOCKS.F32.id, data });
    } // prettier-ignore
  }
  // The attention factor is that of transformers, which llama.cpp's converter computes.
  const longRope: [string, FixtureValue][] =
    scaling.kind !== "longrope"
      ? []
      : [
          [`${architecture}.rope.scaling.type`, string("longrope")],
          [`${architecture}.rope.scaling.original_context_length`, u32(scaling.originalContextLength)],
          [`${architecture}.rope.scaling.attn_factor`, f32(longRopeAttention(scaling))],
        ];
  const rope: [string, FixtureValue][] = [
    ...longRope,
    [`${architecture}.rope.dimension_count`, u32(config.rotaryDim)],
    [`${architecture}.rope.freq_base`, f32(config.ropeTheta)],
  ];
  const window = Math.max(...config.attentionWindows);
  const kvHeads =
    config.convolutionLayers.length > 0
      ? i32s(Array.from({ length: config.layers }, (_, l) => (config.convolutionLayers.includes(l) ? 0 : config.kvHeads)))
      : u32(config.kvHeads);
  return {
    metadata: [
      ["general.architecture", string(architecture)],
      [`${architecture}.block_count`, u32(config.layers)],
      [`${architecture}.context_length`, u32(config.contextLength)],
      [`${architecture}.embedding_length`, u32(config.hiddenSize)],
      [`${architecture}.feed_forward_length`, u32(config.ffnSize)],
      [`${architecture}.attention.head_count`, u32(config.heads)],
      [`${architecture}.attention.head_count_kv`, kvHeads],
      [`${architecture}.attention.key_length`, u32(config.headDim)],
      [
        `${architecture}.attention.${config.norm === "rms" ? "layer_norm_rms_epsilon" : "layer_norm_epsilon"}`,
        f32(config.rmsNormEps),
      ],
      ...(window > 0 ? [[`${architecture}.attention.sliding_window`, u32(window)] as const] : []),
      ...(config.positions === "rope" ? rope : []),
      ...ownKeys(config, architecture),
      ...(config.convolutionLayers.length > 0
        ? [[`${architecture}.shortconv.l_cache`, u32(config.convolutionLength)] as const]
        : []),
      ...(architecture === "command-r" ? [["command-r.logit_scale", f32(config.logitScale)] as const] : []),
      // As the converter writes it where the configuration does not say so.
      ...(architecture === "stablelm" ? [["stablelm.use_parallel_residual", bool(true)] as const] : []),
      ...(architecture === "gptneox" ? [["gptneox.use_parallel_residual", bool(config.parallelResidual)] as const] : []),
    ],
    tensors,
  };
}
