/** `generation_config.json`, the part decoding reads, with `config.json` filling in the ids of end tokens. */
import { CheckpointError } from "../errors.ts";
import type { GenerationConfig } from "./checkpoint.ts";
import { describe, isOff, JsonFields, type JsonObject } from "../json-object.ts";
import { isWhole } from "../need.ts";
import { readRecommendedSampling } from "./recommended-sampling.ts";

/**
 * Keys that change what transformers generates and are not carried out here, with the numbers that change
 * nothing; nor do null, false and empty ones.
 */
const NOT_CARRIED_OUT: Readonly<Record<string, number | undefined>> = {
  num_beams: 1,
  num_beam_groups: 1,
  diversity_penalty: 0,
  penalty_alpha: 0,
  typical_p: 1,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  no_repeat_ngram_size: 0,
  encoder_no_repeat_ngram_size: 0,
  encoder_repetition_penalty: 1,
  min_length: 0,
  min_new_tokens: 0,
  guidance_scale: 1,
  exponential_decay_length_penalty: undefined,
  bad_words_ids: undefined,
  force_words_ids: undefined,
  constraints: undefined,
  sequence_bias: undefined,
  suppress_tokens: undefined,
  begin_suppress_tokens: undefined,
  forced_bos_token_id: undefined,
  forced_eos_token_id: undefined,
  forced_decoder_ids: undefined,
  stop_strings: undefined,
  token_healing: undefined,
  watermarking_config: undefined,
  dola_layers: undefined,
};

/**
 * @param generationJson `generation_config.json`, if the folder has one
 * @param configJson `config.json`
 * @param onNote told of keys that are not carried out, and of ids that are none
 * @throws CheckpointError if a value has the wrong type or is outside its domain
 */
export function parseGenerationConfig(
  generationJson: JsonObject | undefined,
  configJson: JsonObject,
  onNote?: (note: string) => void,
): GenerationConfig {
  const generation = new JsonFields(generationJson ?? {}, "generation_config.json");
  const config = new JsonFields(configJson, "config.json");
  const eosSource = generation.raw("eos_token_id") === undefined ? config : generation;
  const ignored = Object.entries(NOT_CARRIED_OUT).filter(([key, neutral]) => {
    const value = generation.raw(key);
    return value !== neutral && !isOff(value);
  });
  const listed = ignored.map(([key]) => `${key} ${describe(generation.raw(key))}`).join(", ");
  if (ignored.length > 0) onNote?.(`${generation.where}: keys not carried out: ${listed}`);
  return {
    eosTokenIds: parseTokenIds(eosSource, "eos_token_id", onNote),
    sampling: readRecommendedSampling("json", (key) => generation.raw(key), generation.where),
  };
}

/** One id, several, or none, for which some files have -1. */
function parseTokenIds(fields: JsonFields, key: string, onNote: ((note: string) => void) | undefined): readonly number[] {
  const value = fields.raw(key) ?? [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  if (!ids.every((id) => isWhole(id, -1)))
    throw new CheckpointError(`${fields.where}: ${key}: got ${describe(value)}, need a token id or an array of them`);
  if (ids.includes(-1)) onNote?.(`${fields.where}: ${key}: got -1, which is no token, and is not used`);
  return ids.filter((id) => id !== -1);
}
