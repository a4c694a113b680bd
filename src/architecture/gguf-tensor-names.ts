/**
 * Tensor names: what a GGUF calls them (ggml `docs/gguf.md`, "Standardized tensor names") to what Hugging
 * Face does.
 */
import type { ModelConfig } from "./model-config.ts";
import { type BlockNames, blockNames, type BlockVariant, type Family, type ModuleNames } from "./family.ts";

const MODEL_ROLES: Readonly<Record<string, Exclude<keyof ModuleNames, "block" | "blocks">>> = {
  token_embd: "embedding",
  token_embd_norm: "embeddingNorm",
  position_embd: "positions",
  output_norm: "finalNorm",
  output: "head",
};

const BLOCK_ROLES: Readonly<Record<string, keyof BlockNames>> = {
  attn_norm: "attentionNorm",
  attn_q: "query",
  attn_k: "key",
  attn_v: "value",
  attn_qkv: "qkv",
  attn_q_norm: "queryNorm",
  attn_k_norm: "keyNorm",
  attn_output: "output",
  "shortconv.in_proj": "convolutionIn",
  "shortconv.conv": "convolution",
  "shortconv.out_proj": "convolutionOut",
  post_attention_norm: "attentionOutputNorm",
  ffn_norm: "mlpNorm",
  ffn_gate: "gate",
  ffn_up: "up",
  ffn_down: "down",
  post_ffw_norm: "mlpOutputNorm",
};

const BLOCK_TENSOR = /^blk\.(0|[1-9][0-9]{0,5})\.((?:shortconv\.)?[a-z_]+)\.(weight|bias)$/;
const MODEL_TENSOR = /^([a-z_]+)\.(weight|bias)$/;

/**
 * Gives the Hugging Face names of a GGUF tensor: one, or those of q, k and v where a file has them in one
 * tensor and the model in three; none if a model with these names has no such tensor. In a name `*` stands
 * for the number of each head (`BlockNames.queryNorm`).
 */
export function huggingFaceNames(
  ggufName: string,
  { names, gguf }: Pick<Family, "names" | "gguf">,
  config: BlockVariant,
): readonly string[] {
  const [, layer, inBlock, kind] = BLOCK_TENSOR.exec(ggufName) ?? [];
  if (inBlock !== undefined) {
    const role = Object.hasOwn(BLOCK_ROLES, inBlock) ? BLOCK_ROLES[inBlock]! : undefined;
    const block = blockNames(names, config, Number(layer));
    const { query, key, value } = block;
    const modules = role === undefined ? [] : role === "qkv" && block.qkv === undefined ? [query, key, value] : [block[role]];
    return modules.flatMap((module) => (module === undefined ? [] : [`${names.blocks}.${layer}.${module}.${kind}`]));
  }
  const [, module, moduleKind] = MODEL_TENSOR.exec(ggufName) ?? [];
  if (module === undefined) return [];
  const role = module === gguf?.finalNorm ? "finalNorm" : Object.hasOwn(MODEL_ROLES, module) ? MODEL_ROLES[module]! : undefined;
  const name = role === undefined ? undefined : names[role];
  return name === undefined ? [] : [`${name}.${moduleKind}`];
}

/**
 * Gives the name in a GGUF of each tensor of a model, by its Hugging Face name: `huggingFaceNames` the other
 * way around. A module in which a file may have q, k and v together is one of three here.
 */
export function ggufNames(family: Pick<Family, "names" | "gguf">, config: BlockVariant & Pick<ModelConfig, "layers">) {
  const finalNorm = family.gguf?.finalNorm;
  const modules = [
    ...(finalNorm === undefined ? [] : [finalNorm]),
    ...Object.keys(MODEL_ROLES),
    ...Array.from({ length: config.layers }, (_, layer) => Object.keys(BLOCK_ROLES).map((role) => `blk.${layer}.${role}`)).flat(),
  ];
  const names = new Map<string, string>();
  for (const name of modules.flatMap((module) => [`${module}.weight`, `${module}.bias`])) {
    const [found, ...others] = huggingFaceNames(name, family, config);
    if (found !== undefined && others.length === 0 && !names.has(found)) names.set(found, name);
  }
  return names as ReadonlyMap<string, string>;
}
