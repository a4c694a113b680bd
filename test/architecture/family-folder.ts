/**
 * A tiny random model of any family as a Hugging Face folder in memory, laid out as files of that family are.
 * The rearranging is written from the shapes of transformers' modules and knows nothing of the reader.
 */
import { describeModel } from "../../src/architecture/description.ts";
import { parseModelConfig } from "../../src/architecture/families.ts";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import { tensorsOf } from "../../src/architecture/tensors.ts";
import { encodeF16 } from "../../src/checkpoint/formats/float-formats.ts";
import { encodeSafetensors, type TensorPlan } from "../../src/checkpoint/safetensors/safetensors-layout.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { MemoryFolder } from "../memory-folder.ts";
import { mulberry32 } from "../random.ts";

/** The shortest `config.json` of each family: E 32, H 4, L 2, V 40, and F 64 where there is a key for it. */
export const CONFIGS = {
  gpt2: { architectures: ["GPT2LMHeadModel"], vocab_size: 40, n_embd: 32, n_layer: 2, n_head: 4, n_inner: 64, n_positions: 24 },
  phi: {
    architectures: ["PhiForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64,
  },
  gpt_neox: {
    architectures: ["GPTNeoXForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64,
  },
  olmo2: {
    architectures: ["Olmo2ForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64,
    num_key_value_heads: 2,
  },
  glm: {
    architectures: ["GlmForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64,
    head_dim: 16,
  },
  glm4: {
    architectures: ["Glm4ForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64,
    head_dim: 16,
  },
  phi3: {
    architectures: ["Phi3ForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64,
    sliding_window: 12, num_key_value_heads: 2,
  },
  smollm3: {
    architectures: ["SmolLM3ForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 4, num_attention_heads: 4, intermediate_size: 64,
    num_key_value_heads: 2,
  },
  granite: {
    architectures: ["GraniteForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64,
    num_key_value_heads: 2, attention_multiplier: 0.15, embedding_multiplier: 12, residual_multiplier: 0.22, logits_scaling: 13,
  },
  gemma2: {
    architectures: ["Gemma2ForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 3, num_attention_heads: 4, intermediate_size: 64,
    num_key_value_heads: 2, head_dim: 16, query_pre_attn_scalar: 16, sliding_window: 8,
  },
  gemma3_text: {
    architectures: ["Gemma3ForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 7, num_attention_heads: 4, intermediate_size: 64,
    num_key_value_heads: 2, head_dim: 16, query_pre_attn_scalar: 16, sliding_window: 8,
  },
  starcoder2: { architectures: ["Starcoder2ForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, sliding_window: 12 },
  stablelm: { architectures: ["StableLmForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, num_key_value_heads: 2, use_qkv_bias: true },
  stablelm_parallel: {
    architectures: ["StableLmForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, num_key_value_heads: 2, use_parallel_residual: true, qk_layernorm: true,
  },
  cohere: { architectures: ["CohereForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, num_key_value_heads: 2 },
  cohere_qk_norm: {
    architectures: ["CohereForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, num_key_value_heads: 2, use_qk_norm: true, logit_scale: 0.75, attention_bias: true,
  },
  lfm2: {
    architectures: ["Lfm2ForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 3, num_attention_heads: 4, intermediate_size: 96,
    num_key_value_heads: 2, block_multiple_of: 16, layer_types: ["conv", "full_attention", "conv"],
  },
  bloom: { architectures: ["BloomForCausalLM"], vocab_size: 40, hidden_size: 32, n_layer: 2, n_head: 4 },
} as const satisfies Record<string, JsonObject>; // prettier-ignore

export interface Values {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/**
 * Tensors in canonical order: every value a small integer, which float16 holds, and no two of a tensor's
 * first 2048 alike.
 */
export function canonicalTensors(config: ModelConfig, seed: number): Map<string, Values> {
  const random = mulberry32(seed);
  const tensors = tensorsOf(describeModel(config), { storage: () => undefined, rank: () => 0, kvCache: false });
  return new Map(
    tensors.map(({ name, shape }) => {
      const length = shape.reduce((product, size) => product * size, 1);
      const offset = Math.floor(random() * 2048);
      return [name, { shape, values: Float32Array.from({ length }, (_, i) => ((i * 7 + offset) % 2048) - 1024) }];
    }),
  );
}

/** What a file of this family holds for a canonical tensor. */
export function storedTensor(name: string, { shape, values }: Values, config: ModelConfig): Values {
  const { headDim: D, heads: H } = config;
  const [rows, columns = 1] = shape as [number, number?];
  if (/^transformer\..*\.(c_attn|c_proj|c_fc)\.weight$/.test(name)) {
    const stored = new Float32Array(values.length);
    for (let n = 0; n < rows; n++) for (let k = 0; k < columns; k++) stored[k * rows + n] = values[n * columns + k]!;
    return { shape: [columns, rows], values: stored };
  }
  if (name.includes(".query_key_value.")) {
    const stored = new Float32Array(values.length);
    for (const [to, from] of byHead(rows, H, D).entries()) {
      stored.set(values.subarray(from * columns, (from + 1) * columns), to * columns);
    }
    return { shape, values: stored };
  }
  if (isNormOfGemma(name, config)) return { shape, values: values.map((value) => value - 1) };
  return { shape, values };
}

/** Canonical row at each stored one, as `view(H, 3, D)` of transformers reads them. */
export function byHead(rows: number, H: number, D: number): number[] {
  const order: number[] = [];
  for (let head = 0; head < H; head++) {
    for (let part = 0; part < 3; part++) for (let i = 0; i < D; i++) order.push((part * rows) / 3 + head * D + i);
  }
  return order;
}

/** Gemma's norms lie less 1 in a folder. */
const isNormOfGemma = (name: string, { architecture }: ModelConfig) =>
  architecture.startsWith("gemma") && name.endsWith("norm.weight");

export interface FamilyFolder {
  readonly folder: MemoryFolder;
  readonly config: ModelConfig;
  /** By canonical name. */
  readonly tensors: ReadonlyMap<string, Values>;
}

export interface FamilyFolderOptions {
  readonly type?: "F32" | "F16";
  /** Changes what the file holds, under the names it has there. */
  readonly change?: (stored: Map<string, Values>) => void;
}

export function familyFolder(json: JsonObject, seed: number, { type = "F32", change }: FamilyFolderOptions = {}): FamilyFolder {
  const config = parseModelConfig(json, "config.json");
  const tensors = canonicalTensors(config, seed);
  const stored = new Map([...tensors].map(([name, tensor]) => [name, storedTensor(name, tensor, config)]));
  change?.(stored);
  const plans: TensorPlan[] = [...stored].map(([name, { shape }]) => ({ name, type, shape }));
  const data = [...stored.values()].map(({ values }) => (type === "F32" ? values : encodeF16(values)));
  const folder = new MemoryFolder("tiny");
  folder.set("config.json", JSON.stringify(json));
  folder.set("model.safetensors", encodeSafetensors(plans, data));
  return { folder, config, tensors };
}
