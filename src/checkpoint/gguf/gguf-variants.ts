/**
 * Keys of a GGUF that change what is computed, or may (llama.cpp `src/llama-arch.cpp`): those that mean
 * nothing with the value they have pass, the others are refused; those nobody asked for are noted
 * (docs/decisions/unread-parts-of-a-model.md).
 */
import { UnsupportedModelError } from "../../errors.ts";
import type { GgufForm } from "../../architecture/family.ts";
import type { GgufMetadata } from "./gguf-metadata.ts";

/**
 * Numbers of variants whose forward pass differs; a value other than the one given would be silently ignored.
 * 0 is what llama.cpp takes for a missing one.
 */
const NEUTRAL_VALUES: Readonly<Record<string, number>> = {
  expert_count: 0,
  expert_shared_count: 0,
  "attention.scale": 0,
  "attention.output_scale": 0,
  "attention.temperature_scale": 0,
  "attention.clamp_kqv": 0,
  "attention.max_alibi_bias": 0,
  "attention.q_lora_rank": 0,
  "attention.kv_lora_rank": 0,
  attn_logit_softcapping: 0,
  final_logit_softcapping: 0,
  router_logit_softcapping: 0,
  logit_scale: 1,
  residual_scale: 1,
  embedding_scale: 1,
};
/** ALiBi as it is run: slopes from 2^-1 to 2^-8 for eight heads. */
const ALIBI_BIAS = 8;
/** Flags, with the value that is run. */
const NEUTRAL_FLAGS: Readonly<Record<string, boolean>> = { "attention.causal": true, swin_norm: false };

/** Keys of an architecture that say how a file was made, or belong to a variant that is refused. */
const MEANINGLESS: ReadonlySet<string> = new Set([
  "vocab_size", "context_length", "feed_forward_length", "attention.head_count_kv", "attention.key_length",
  "attention.value_length", "tensor_data_layout", "use_parallel_residual", "decoder_start_token_id", "nextn_predict_layers",
  "leading_dense_block_count", "expert_used_count", "expert_weights_scale", "expert_weights_norm", "expert_gating_func",
  "rope.freq_base", "rope.dimension_count", "rope.scale_linear", "rope.scaling.type", "rope.scaling.factor",
  "rope.scaling.original_context_length", "rope.scaling.finetuned", "rope.scaling.yarn_log_multiplier",
]); // prettier-ignore
const MOST_LISTED = 8;

/** Relative distance of two spellings of one float32. */
const FLOAT32_STEP = 2 ** -22;

/** @throws UnsupportedModelError naming a key whose value would change what is computed */
export function refuseVariants(metadata: GgufMetadata, form: GgufForm, headDim: number, file: string): void {
  const { architecture, traits, logitScale, ownKeys = [] } = form;
  const usual = 1 / Math.sqrt(headDim);
  const alibi = traits.positions === "alibi" ? { "attention.max_alibi_bias": ALIBI_BIAS } : {};
  for (const [name, neutral] of Object.entries({ ...NEUTRAL_VALUES, ...alibi })) {
    if (ownKeys.includes(name) || (name === "logit_scale" && logitScale)) continue;
    const value = metadata.number(`${architecture}.${name}`);
    const isUsual = name === "attention.scale" && Math.abs((value ?? 0) - usual) <= FLOAT32_STEP * usual;
    if (value !== undefined && value !== neutral && value !== 0 && !isUsual) {
      throw new UnsupportedModelError(`${file}: ${architecture}.${name}: got ${value}, need ${neutral}`);
    }
  }
  for (const [name, neutral] of Object.entries(NEUTRAL_FLAGS)) {
    const value = metadata.boolean(`${architecture}.${name}`) ?? neutral;
    if (value !== neutral) throw new UnsupportedModelError(`${file}: ${architecture}.${name}: got ${value}, need ${neutral}`);
  }
  const pattern = `${architecture}.attention.sliding_window_pattern`;
  if (metadata.has(pattern) && !ownKeys.includes("attention.sliding_window_pattern")) {
    throw new UnsupportedModelError(`${file}: ${pattern}: got windows that differ by layer, need the same in all`);
  }
}

/** Notes keys of the architecture that nobody asked for; to be called when everything has been read. */
export function noteUnreadKeys(metadata: GgufMetadata, { architecture }: GgufForm): void {
  const prefix = `${architecture}.`;
  const names = metadata.unread().filter((key) => key.startsWith(prefix) && !MEANINGLESS.has(key.slice(prefix.length)));
  if (names.length === 0) return;
  const shown = names.slice(0, MOST_LISTED).map((name) => (name.length > 60 ? `${name.slice(0, 60)}...` : name));
  const more = names.length > MOST_LISTED ? ` and ${names.length - MOST_LISTED} more` : "";
  metadata.note(`metadata keys not known and not used: ${shown.join(", ")}${more}`);
}
