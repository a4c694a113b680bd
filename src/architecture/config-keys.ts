/**
 * The keys of `config.json` that no family asked for: may they be left out without a word?
 *
 * - A key of another family's arithmetic is refused, with its value, unless that is the neutral one.
 * - A key that says what the configuration has from elsewhere is noted if it says something else.
 * - Keys of training, of generation and of files mean nothing here.
 * - Any other key is noted, unless it is switched off: null, false or empty.
 *
 * Names and meanings: `configuration_*.py` of transformers 5 (docs/decisions/unread-parts-of-a-model.md).
 */
import { UnsupportedModelError } from "../errors.ts";
import { describe, isOff, type JsonFields, type JsonObject } from "../json-object.ts";
import type { Activation, ModelConfig } from "./model-config.ts";

/** Tells whether a value changes nothing; the text says which one would not. */
interface Neutral {
  readonly is: (value: unknown, config: ModelConfig) => boolean;
  readonly need: (config: ModelConfig) => string;
}

const exactly = (...values: readonly unknown[]): Neutral => ({
  is: (value) => values.includes(value),
  need: () => values.map(describe).join(" or ") || "null",
});
const equalTo = (wanted: (config: ModelConfig) => unknown): Neutral => ({
  is: (value, config) => value === wanted(config),
  need: (config) => describe(wanted(config)),
});
/** Files have such numbers in float32, or rounded to fewer digits. */
const nearlyEqualTo = (wanted: (config: ModelConfig) => number): Neutral => ({
  is: (value, config) => typeof value === "number" && Math.abs(value - wanted(config)) <= 1e-6 * Math.abs(wanted(config)),
  need: (config) => `${wanted(config)}`,
});
const empty: Neutral = { is: isOff, need: () => "an empty one" };

const ACTIVATION_NAMES: Readonly<Partial<Record<Activation, readonly string[]>>> = {
  silu: ["silu", "swish"],
  gelu: ["gelu"],
  gelu_tanh: ["gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_tanh"],
  relu: ["relu"],
};
const sameActivation: Neutral = {
  is: (value, { activation }) => (ACTIVATION_NAMES[activation] ?? [activation]).includes(value as string),
  need: ({ activation }) => (ACTIVATION_NAMES[activation] ?? [activation]).map(describe).join(" or "),
};
const sameLayers: Neutral = {
  is: (value, { attentionWindows, layers }) =>
    Array.isArray(value) &&
    value.length === layers &&
    value.every((type, layer) => type === (attentionWindows[layer]! > 0 ? "sliding_attention" : "full_attention")),
  need: ({ attentionWindows: [window] }) => `"${window! > 0 ? "sliding" : "full"}_attention" for each layer`,
};
const everyLayerTurns: Neutral = {
  is: (value) => Array.isArray(value) && value.every((turns) => turns === 1),
  need: () => "1 for each layer",
};
const neutralFactor = exactly(1);
const off = exactly(false);
const experts = exactly(0, 1);
const qkNorm = equalTo((config) => config.qkNorm !== "none");

/** Keys that change what is computed, with what makes them mean nothing. */
const REFUSED: Readonly<Record<string, Neutral>> = {
  // Gemma 2, Grok
  attn_logit_softcapping: exactly(),
  final_logit_softcapping: exactly(),
  query_pre_attn_scalar: equalTo((config) => config.headDim),
  // Granite, Cohere, MiniCPM
  attention_multiplier: nearlyEqualTo(({ headDim }) => 1 / Math.sqrt(headDim)),
  embedding_multiplier: neutralFactor,
  residual_multiplier: neutralFactor,
  logits_scaling: neutralFactor,
  logit_scale: neutralFactor,
  lm_head_multiplier: neutralFactor,
  key_multiplier: neutralFactor,
  scale_emb: neutralFactor,
  embedding_scale: neutralFactor,
  scale_depth: nearlyEqualTo(({ layers }) => Math.sqrt(layers)),
  dim_model_base: equalTo((config) => config.hiddenSize),
  normalize_embedding: off,
  // OLMo, MPT, DBRX
  clip_qkv: exactly(),
  qkv_clip: exactly(),
  // Cohere, StableLM, Qwen3
  use_qk_norm: qkNorm,
  qk_norm: qkNorm,
  qk_layernorm: qkNorm,
  // mixtures of experts
  num_experts: experts,
  num_local_experts: experts,
  n_routed_experts: experts,
  moe_num_experts: experts,
  // positions
  rope_interleaved: off,
  rope_interleave: off,
  rotary_interleaved: off,
  no_rope_layers: everyLayerTurns,
  alibi: equalTo(({ positions }) => positions === "alibi"),
  use_alibi: equalTo(({ positions }) => positions === "alibi"),
  // what sees what, and what is added to what
  is_encoder_decoder: off,
  add_cross_attention: off,
  is_causal: exactly(true),
  use_bidirectional_attention: off,
  layer_types: sameLayers,
  multi_query: equalTo((config) => config.kvHeads === 1),
  parallel_attn: equalTo((config) => config.parallelResidual),
  use_parallel_residual: equalTo((config) => config.parallelResidual),
  pruned_heads: empty,
  per_layer_config: empty,
  // the activation under another family's key
  hidden_act: sameActivation,
  hidden_activation: sameActivation,
  activation_function: sameActivation,
};

const stated = {
  hiddenSize: equalTo((config) => config.hiddenSize),
  layers: equalTo((config) => config.layers),
  heads: equalTo((config) => config.heads),
  kvHeads: equalTo((config) => config.kvHeads),
  headDim: equalTo((config) => config.headDim),
  ffnSize: equalTo((config) => config.ffnSize),
  eps: equalTo((config) => config.rmsNormEps),
  theta: equalTo((config) => config.ropeTheta),
  rotaryFactor: nearlyEqualTo(({ rotaryDim, headDim }) => rotaryDim / headDim),
};

/** Keys that the family takes from elsewhere, or has no choice of; transformers leaves them out too. */
const STATED: Readonly<Record<string, Neutral>> = {
  hidden_size: stated.hiddenSize,
  n_embd: stated.hiddenSize,
  n_embed: stated.hiddenSize,
  num_hidden_layers: stated.layers,
  n_layer: stated.layers,
  num_attention_heads: stated.heads,
  n_head: stated.heads,
  num_key_value_heads: stated.kvHeads,
  head_dim: stated.headDim,
  intermediate_size: stated.ffnSize,
  n_inner: stated.ffnSize,
  rms_norm_eps: stated.eps,
  layer_norm_eps: stated.eps,
  layer_norm_epsilon: stated.eps,
  rope_theta: stated.theta,
  rotary_emb_base: stated.theta,
  partial_rotary_factor: stated.rotaryFactor,
  rotary_pct: stated.rotaryFactor,
  rotary_dim: equalTo((config) => config.rotaryDim),
  attention_bias: equalTo((config) => config.attentionBias !== "none"),
  mlp_bias: equalTo((config) => config.mlpBias),
  use_sliding_window: equalTo(({ attentionWindows }) => attentionWindows.some((window) => window > 0)),
  sliding_window: {
    is: (value, { contextLength }) => typeof value === "number" && value >= contextLength,
    need: () => "null",
  },
};

/** Keys of training, of generation, of files, and those that change only how transformers goes about it. */
const MEANINGLESS: ReadonlySet<string> = new Set(
  `_name_or_path name_or_path _commit_hash architectures model_type transformers_version torch_dtype dtype use_cache
  initializer_range attention_dropout hidden_dropout classifier_dropout resid_pdrop embd_pdrop attn_pdrop dropout
  embedding_dropout residual_dropout layerdrop init_std
  pretraining_tp slow_but_exact reorder_and_upcast_attn gradient_checkpointing use_flash_attn attn_implementation
  _attn_implementation _attn_implementation_autoset attention_softmax_in_fp32 masked_softmax_fusion bias_dropout_fusion
  skip_bias_add skip_bias_add_qkv offset_alibi layer_norm_elementwise_affine use_bfloat16 torchscript
  chunk_size_feed_forward return_dict output_attentions output_hidden_states is_decoder tie_encoder_decoder
  cross_attention_hidden_size finetuning_task task_specific_params problem_type id2label label2id num_labels
  summary_type summary_use_proj summary_activation summary_proj_to_labels summary_first_dropout
  bos_token_id eos_token_id pad_token_id unk_token_id sep_token_id cls_token_id mask_token_id decoder_start_token_id
  tokenizer_class model_max_length prefix max_position_embeddings n_positions n_ctx seq_length
  max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p
  typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids
  num_return_sequences output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id
  remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens tf_legacy_loss
  cache_implementation quantization_config fptq is_llama_config max_window_layers num_experts_per_tok router_aux_loss_coef
  output_router_logits no_rope_layer_interval unsloth_version unsloth_fixed unsloth_tied_words_embeddings
  transformers.js_config original_max_position_embeddings rope_parameters rope_scaling`.split(/\s+/),
);

const ROPE_OBJECTS = ["rope_parameters", "rope_scaling"] as const;
/** Keys of these objects that every type may have. */
const MEANINGLESS_IN_ROPE: ReadonlySet<string> = new Set([
  "rope_type", "type", "rope_theta", "original_max_position_embeddings", "finetuned",
]); // prettier-ignore
/** Names in a note, at most. */
const MOST_LISTED = 8;

/**
 * Goes through the keys that were not asked for.
 *
 * @param fields those the configuration was read from
 * @returns notes, each with the file's name
 * @throws UnsupportedModelError naming a key that changes what the model computes, and its value
 */
export function checkUnreadKeys(fields: JsonFields, config: ModelConfig): string[] {
  const notes: string[] = [];
  const unknown: string[] = [];
  for (const key of fields.unread()) {
    const value = fields.raw(key);
    if (value === undefined || MEANINGLESS.has(key)) continue;
    const [refused, said] = [own(REFUSED, key), own(STATED, key)];
    if (refused) {
      if (refused.is(value, config)) continue;
      throw new UnsupportedModelError(`${fields.where}: ${key}: got ${describe(value)}, need ${refused.need(config)}`);
    }
    if (said) {
      if (!said.is(value, config))
        notes.push(
          `${fields.where}: ${key}: ${describe(value)} is not used in a ${config.architecture} model, ${said.need(config)} is`,
        );
    } else if (key === "auto_map") {
      notes.push(`${fields.where}: auto_map: code of the model's own is not run; it is read as ${config.architecture}`);
    } else if (!isOff(value)) unknown.push(key);
  }
  if (unknown.length > 0) notes.push(`${fields.where}: keys not known and not used: ${listed(unknown)}`);
  return [...notes, ...ROPE_OBJECTS.flatMap((key) => ropeNotes(fields, key))];
}

/** The one that is read may have keys that its type does not use; the other may say something else. */
function ropeNotes(fields: JsonFields, key: string): string[] {
  const value = fields.raw(key);
  const unused = fields.isOpened(key)
    ? fields
        .object(key)!
        .unread()
        .filter((name) => !MEANINGLESS_IN_ROPE.has(name) && fields.object(key)!.raw(name) !== undefined)
    : [];
  if (unused.length > 0) return [`${fields.where}: ${key}: keys not used by this type: ${listed(unused)}`];
  if (value === undefined || fields.isOpened(key) || ROPE_OBJECTS.some((other) => sameRope(fields, key, other))) return [];
  return [`${fields.where}: ${key}: ${describe(value)} is not used`];
}

/** Both spellings in one file, as versions 4 and 5 of transformers have them. */
function sameRope(fields: JsonFields, key: string, other: string): boolean {
  if (key === other) return false;
  const [one, two] = [fields.raw(key), fields.raw(other)].map((value) => {
    const { type, rope_theta: _, ...rest } = (value ?? {}) as JsonObject;
    const entries = Object.entries({ rope_type: type, ...rest }).filter(([, entry]) => entry !== undefined);
    return JSON.stringify(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
  return one === two;
}

function listed(keys: readonly string[]): string {
  const shown = keys.slice(0, MOST_LISTED).map((key) => (key.length > 40 ? `${key.slice(0, 40)}...` : key));
  return keys.length > MOST_LISTED ? `${shown.join(", ")} and ${keys.length - MOST_LISTED} more` : shown.join(", ");
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
