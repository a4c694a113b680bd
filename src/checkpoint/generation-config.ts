/** `generation_config.json`, the part decoding reads, with `config.json` filling in the ids of end tokens. */
import { CheckpointError } from "../errors.ts";
import type { GenerationConfig } from "./checkpoint.ts";
import { describe, JsonFields, type JsonObject } from "../json-object.ts";
import { isWhole } from "../need.ts";

/**
 * @param generationJson `generation_config.json`, if the folder has one
 * @param configJson `config.json`
 * @throws CheckpointError if a value has the wrong type
 */
export function parseGenerationConfig(generationJson: JsonObject | undefined, configJson: JsonObject): GenerationConfig {
  const generation = new JsonFields(generationJson ?? {}, "generation_config.json");
  const config = new JsonFields(configJson, "config.json");
  const eosSource = generation.raw("eos_token_id") === undefined ? config : generation;
  const optional = (key: string) => (generation.raw(key) === undefined ? undefined : generation.nonNegativeNumber(key));
  const [temperature, topK, topP] = [optional("temperature"), optional("top_k"), optional("top_p")];
  return {
    eosTokenIds: parseTokenIds(eosSource, "eos_token_id"),
    ...(temperature !== undefined && { temperature }),
    ...(topK !== undefined && { topK }),
    ...(topP !== undefined && { topP }),
  };
}

/** One id, several, or none. */
function parseTokenIds(fields: JsonFields, key: string): readonly number[] {
  const value = fields.raw(key) ?? [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  if (ids.every((id) => isWhole(id, 0))) return ids;
  throw new CheckpointError(`${fields.where}: ${key}: got ${describe(value)}, need a token id or an array of them`);
}
