/** `generation_config.json`, the part decoding reads, with `config.json` filling in the ids of end tokens. */
import { CheckpointError } from "../errors.ts";
import type { GenerationConfig } from "./checkpoint.ts";
import { describe, JsonFields, type JsonObject } from "../json-object.ts";
import { isWhole } from "../need.ts";
import { readRecommendedSampling } from "./recommended-sampling.ts";

/**
 * @param generationJson `generation_config.json`, if the folder has one
 * @param configJson `config.json`
 * @throws CheckpointError if a value has the wrong type or is outside its domain
 */
export function parseGenerationConfig(generationJson: JsonObject | undefined, configJson: JsonObject): GenerationConfig {
  const generation = new JsonFields(generationJson ?? {}, "generation_config.json");
  const config = new JsonFields(configJson, "config.json");
  const eosSource = generation.raw("eos_token_id") === undefined ? config : generation;
  return {
    eosTokenIds: parseTokenIds(eosSource, "eos_token_id"),
    sampling: readRecommendedSampling("json", (key) => generation.raw(key), generation.where),
  };
}

/** One id, several, or none. */
function parseTokenIds(fields: JsonFields, key: string): readonly number[] {
  const value = fields.raw(key) ?? [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  if (ids.every((id) => isWhole(id, 0))) return ids;
  throw new CheckpointError(`${fields.where}: ${key}: got ${describe(value)}, need a token id or an array of them`);
}
