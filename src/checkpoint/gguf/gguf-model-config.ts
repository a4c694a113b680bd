/**
 * Metadata of a GGUF to a model configuration (ggml `docs/gguf.md`, "LLM"; defaults as in llama.cpp
 * `src/llama-model.cpp`). What no key says, the family does.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { describe } from "../../json-object.ts";
import { isWhole } from "../../need.ts";
import { FAMILIES, familyOf, parseModelConfig, writeModelConfig } from "../../architecture/families.ts";
import type { GgufForm } from "../../architecture/family.ts";
import { type Architecture, checkModelConfig, type ModelConfig, USUAL } from "../../architecture/model-config.ts";
import type { Gguf, GgufTensor } from "./gguf.ts";
import { type GgufMetadata, shortestDecimal } from "./gguf-metadata.ts";
import { ggufRope, type RopeFactors } from "./gguf-rope-config.ts";
import { refuseVariants } from "./gguf-variants.ts";

/**
 * @param ropeFactors values of the tensors of `ROPE_FACTOR_TENSORS` that the file has
 * @throws CheckpointError if a key is missing, of the wrong type or inconsistent with others
 * @throws UnsupportedModelError for an architecture or variant this package does not run
 */
export function ggufModelConfig(
  metadata: GgufMetadata,
  tensors: Gguf["tensors"],
  ropeFactors: RopeFactors,
  file: string,
): ModelConfig {
  const form = ggufForm(metadata, file);
  const { architecture, traits } = form;
  const key = (name: string) => `${architecture}.${name}`;
  const positive = (name: string): number => positiveInteger(metadata, key(name), file);

  const layers = positive("block_count");
  // Bounds what is allocated per layer; the exact tensors are checked afterwards.
  if (layers > tensors.size)
    throw new CheckpointError(
      `${file}: ${key("block_count")}: got ${layers}, need at most ${tensors.size}, the number of tensors`,
    );
  const hiddenSize = positive("embedding_length");
  const heads = positive("attention.head_count");
  const convolutions = form.convolutions ? convolutionsOf(metadata, architecture, tensors, { layers, file }) : undefined;
  const statesKvHeads = metadata.has(key("attention.head_count_kv"));
  const kvHeads = convolutions?.kvHeads ?? (statesKvHeads ? positive("attention.head_count_kv") : heads);
  const headDim = metadata.has(key("attention.key_length")) ? positive("attention.key_length") : hiddenSize / heads;
  if (heads % kvHeads !== 0)
    throw new CheckpointError(`${file}: ${key("attention.head_count_kv")}: got ${kvHeads}, need a divisor of the ${heads} heads`);
  if (!Number.isInteger(headDim) || (traits.positions === "rope" && headDim % 2 !== 0)) {
    throw new CheckpointError(
      `${file}: head dimension: got ${headDim} (${hiddenSize} over ${heads} heads), need an even integer`,
    );
  }
  refuseVariants(metadata, form, headDim, file);
  const contextLength = positive("context_length");
  const rope = ggufRope(metadata, form, { headDim, contextLength, ropeFactors, file });

  const epsKey = key(traits.norm === "rms" ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon");
  const rmsNormEps = metadata.required(epsKey, metadata.number(epsKey));
  if (!(rmsNormEps > 0)) throw new CheckpointError(`${file}: ${epsKey}: got ${rmsNormEps}, need a number above 0`);

  const window = metadata.integer(key("attention.sliding_window")) ?? 0;
  const attentionBias = attentionBiasOf(tensors);
  const mlpBias = tensors.has("blk.0.ffn_up.bias");
  const found = { window, attentionBias, mlpBias };
  // GPT-2 and BLOOM have four times the hidden size, and old files of them do not say so.
  const ffnSize = traits.gatedMlp || metadata.has(key("feed_forward_length")) ? positive("feed_forward_length") : 4 * hiddenSize;
  const { parallelResidual } = traits;
  const stated: ModelConfig = {
    ...USUAL,
    architecture: huggingFaceArchitecture(form, found, file),
    vocabSize: embeddingRows(metadata, tensors.get("token_embd.weight"), key("vocab_size"), file),
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headDim,
    ffnSize,
    rmsNormEps: shortestDecimal(rmsNormEps),
    ...rope,
    contextLength,
    attentionWindows: Array<number>(layers).fill(window),
    tiedEmbedding: !tensors.has("output.weight"),
    attentionBias,
    mlpBias,
    headBias: form.biases.head,
    ...traits,
    qkNorm: form.mayNormHeads && tensors.has("blk.0.attn_q_norm.weight") ? form.mayNormHeads : traits.qkNorm,
    parallelResidual:
      parallelResidual === "stated"
        ? statedResidual(metadata, key("use_parallel_residual"))
        : parallelResidual === "by_norm"
          ? !tensors.has("blk.0.ffn_norm.weight")
          : parallelResidual,
    logitScale: form.logitScale ? logitScale(metadata, key("logit_scale"), file) : 1,
    ...convolutions?.config,
  };
  const own = (name: string) => shortestDecimal(metadata.number(key(name)) ?? 0) || undefined;
  const config = { ...stated, ...form.own?.(stated, own) };
  checkModelConfig(config, file);
  checkExpressible(config, file);
  return config;
}

/** q, k and v in one tensor or in three. */
function attentionBiasOf(tensors: Gguf["tensors"]): ModelConfig["attentionBias"] {
  if (!tensors.has("blk.0.attn_q.bias") && !tensors.has("blk.0.attn_qkv.bias")) return "none";
  return tensors.has("blk.0.attn_output.bias") ? "qkvo" : "qkv";
}

/** Layers without K/V heads have a convolution. */
function convolutionsOf(
  metadata: GgufMetadata,
  architecture: string,
  tensors: Gguf["tensors"],
  { layers, file }: { layers: number; file: string },
): { kvHeads: number | undefined; config: Partial<ModelConfig> } {
  const key = `${architecture}.attention.head_count_kv`;
  const counts = metadata.isArray(key) ? Array.from(metadata.numbers(key)!, Number) : undefined;
  if (counts !== undefined && counts.length !== layers)
    throw new CheckpointError(`${file}: ${key}: got ${counts.length} numbers, need one for each of ${layers} layers`);
  const convolutionLayers = (counts ?? []).flatMap((count, layer) => (count === 0 ? [layer] : []));
  const kvHeads = counts?.find((count) => count !== 0);
  const other = counts?.find((count) => count !== 0 && count !== kvHeads);
  if (other !== undefined || (kvHeads !== undefined && !isWhole(kvHeads, 1)))
    throw new UnsupportedModelError(
      `${file}: ${key}: got ${kvHeads} and ${other} heads, need one number in all layers that have any`,
    );
  const length = positiveInteger(metadata, `${architecture}.shortconv.l_cache`, file);
  const convolutionBias = tensors.has(`blk.${convolutionLayers[0] ?? 0}.shortconv.conv.bias`);
  return { kvHeads, config: { convolutionLayers, convolutionLength: length, convolutionBias } };
}

function logitScale(metadata: GgufMetadata, key: string, file: string): number {
  const scale = metadata.required(key, metadata.number(key));
  if (scale > 0 && scale < Infinity) return shortestDecimal(scale);
  throw new CheckpointError(`${file}: ${key}: got ${scale}, need a finite number above 0`);
}

function statedResidual(metadata: GgufMetadata, key: string): boolean {
  return metadata.required(key, metadata.boolean(key));
}

/**
 * Hugging Face splits by name what GGUF calls "llama": only Mistral has a window, only Qwen2 biases on q, k
 * and v alone; the arithmetic is the same.
 *
 * @throws UnsupportedModelError if no `config.json` can say what the file holds
 */
function huggingFaceArchitecture(
  { architecture }: GgufForm,
  found: { window: number } & Pick<ModelConfig, "attentionBias" | "mlpBias">,
  file: string,
): Architecture {
  const { window, attentionBias, mlpBias } = found;
  const inLlama = window > 0 ? "mistral" : attentionBias === "qkv" ? "qwen2" : "llama";
  const name =
    architecture === "llama" ? inLlama : FAMILIES.find(({ gguf }) => gguf?.architecture === architecture)!.architecture;
  const { biases } = familyOf(name).gguf!;
  if (!biases.attention.includes(attentionBias) || !biases.mlp.includes(mlpBias)) {
    const mlp = mlpBias ? " and some in the MLP" : biases.mlp.includes(false) ? "" : " and none in the MLP";
    throw new UnsupportedModelError(`${file}: biases: got "${attentionBias}" in attention${mlp}, need those of a ${name} model`);
  }
  return name;
}

/**
 * @throws UnsupportedModelError if `config.json` has no key for something that the file says and the model
 * would be without
 */
function checkExpressible(config: ModelConfig, file: string): void {
  const again = parseModelConfig(writeModelConfig(config), `${file}: as config.json`);
  for (const key of Object.keys(config) as (keyof ModelConfig)[]) {
    const [found, supported] = [config[key], again[key]];
    if (JSON.stringify(found) === JSON.stringify(supported)) continue;
    throw new UnsupportedModelError(
      `${file}: ${key}: got ${describe(found)}, need ${describe(supported)} in a ${config.architecture} model`,
    );
  }
}

/** @throws UnsupportedModelError if it is no model, or none of the architectures this package runs */
export function ggufForm(metadata: GgufMetadata, file: string): GgufForm {
  const type = metadata.string("general.type") ?? "model";
  if (type !== "model") throw new UnsupportedModelError(`${file}: general.type: got "${type}", need "model"`);
  const architecture = metadata.required("general.architecture", metadata.string("general.architecture"));
  const family = FAMILIES.find(({ gguf }) => gguf?.architecture === architecture);
  if (family?.gguf) return family.gguf;
  const supported = [...new Set(FAMILIES.flatMap(({ gguf }) => gguf?.architecture ?? []))].join(", ");
  const what = ENCODERS.test(architecture) ? ", an encoder of texts," : "";
  throw new UnsupportedModelError(`${file}: architecture: got "${architecture}"${what} need one of ${supported}`);
}

/** Architectures of llama.cpp that give vectors of texts and generate none (`llama-arch.cpp`). */
const ENCODERS = /(^|-)bert(-|$)|^(t5encoder|gemma-embedding|llama-embed)$/;

/** An integer above 0, or an array with one entry per layer that are all the same one. */
function positiveInteger(metadata: GgufMetadata, key: string, file: string): number {
  if (metadata.isArray(key)) {
    const [first, ...others] = metadata.numbers(key)!;
    if (first === undefined || others.some((other) => other !== first)) {
      throw new UnsupportedModelError(`${file}: ${key}: got values that differ by layer, need the same in all`);
    }
    if (!isWhole(first, 1)) throw new CheckpointError(`${file}: ${key}: got ${first}, need an integer of at least 1`);
    return first;
  }
  const value = metadata.required(key, metadata.integer(key));
  if (value < 1) throw new CheckpointError(`${file}: ${key}: got ${value}, need at least 1`);
  return value;
}

/**
 * The rows of the embedding are what the model computes with; tokens and metadata have to agree with them.
 */
function embeddingRows(metadata: GgufMetadata, embedding: GgufTensor | undefined, key: string, file: string): number {
  const rows = embedding?.dims[1];
  if (rows === undefined)
    throw new CheckpointError(`${file}: tensor "token_embd.weight": got ${embedding ? "a vector" : "nothing"}, need a matrix`);
  const tokens = metadata.strings("tokenizer.ggml.tokens")?.length ?? rows;
  const declared = metadata.integer(key) ?? rows;
  if (tokens !== rows || declared !== rows) {
    throw new CheckpointError(
      `${file}: vocabulary: got ${rows} rows of token_embd.weight, ${tokens} tokens, ${key} ${declared}, need the same number of each`,
    );
  }
  return rows;
}
