/**
 * Tensor names: what a GGUF calls them (ggml `docs/gguf.md`, "Standardized tensor names") to what Hugging
 * Face does.
 */
import type { BlockNames, ModuleNames } from "./family.ts";

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
  ffn_norm: "mlpNorm",
  ffn_gate: "gate",
  ffn_up: "up",
  ffn_down: "down",
};

const BLOCK_TENSOR = /^blk\.(0|[1-9][0-9]{0,5})\.([a-z_]+)\.(weight|bias)$/;
const MODEL_TENSOR = /^([a-z_]+)\.(weight|bias)$/;

/** Gives the Hugging Face name of a GGUF tensor; undefined if a model with these names has none such. */
export function huggingFaceName(ggufName: string, names: ModuleNames): string | undefined {
  const [, layer, inBlock, kind] = BLOCK_TENSOR.exec(ggufName) ?? [];
  if (inBlock !== undefined) {
    const role = Object.hasOwn(BLOCK_ROLES, inBlock) ? names.block[BLOCK_ROLES[inBlock]!] : undefined;
    return role === undefined ? undefined : `${names.blocks}.${layer}.${role}.${kind}`;
  }
  const [, module, moduleKind] = MODEL_TENSOR.exec(ggufName) ?? [];
  const role = module !== undefined && Object.hasOwn(MODEL_ROLES, module) ? names[MODEL_ROLES[module]!] : undefined;
  return role === undefined ? undefined : `${role}.${moduleKind}`;
}
