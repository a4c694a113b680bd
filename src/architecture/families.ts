/** Every architecture this package runs, found by the names in `config.json`. */
import { UnsupportedModelError } from "../errors.ts";
import { describe, JsonFields, type JsonObject } from "../json-object.ts";
import { bloom } from "./families/bloom.ts";
import { cohere } from "./families/cohere.ts";
import { checkUnreadKeys } from "./config-keys.ts";
import type { Family } from "./family.ts";
import { gemma2, gemma3 } from "./families/gemma.ts";
import { glm, glm4 } from "./families/glm.ts";
import { gptNeox } from "./families/gpt-neox.ts";
import { gpt2 } from "./families/gpt2.ts";
import { granite } from "./families/granite.ts";
import { lfm2 } from "./families/lfm2.ts";
import { llama } from "./families/llama.ts";
import { mistral } from "./families/mistral.ts";
import { type Architecture, checkModelConfig, type ModelConfig } from "./model-config.ts";
import { olmo2 } from "./families/olmo2.ts";
import { opt } from "./families/opt.ts";
import { phi } from "./families/phi.ts";
import { phi3 } from "./families/phi3.ts";
import { qwen2, qwen3 } from "./families/qwen.ts";
import { smollm3 } from "./families/smollm3.ts";
import { stablelm } from "./families/stablelm.ts";
import { starcoder2 } from "./families/starcoder2.ts";

export const FAMILIES: readonly Family[] = [
  llama, mistral, qwen2, qwen3, gemma2, gemma3, olmo2, glm, glm4, phi3, smollm3, granite, gpt2, phi, gptNeox, bloom, starcoder2,
  stablelm, cohere, opt, lfm2,
]; // prettier-ignore

export function familyOf(architecture: Architecture): Family {
  return FAMILIES.find((family) => family.architecture === architecture)!;
}

/**
 * Whether a module of any family is an embedding: what a class name `Embedding` means in
 * `quantization_config`.
 */
export function isEmbedding(moduleName: string): boolean {
  return FAMILIES.some(({ names }) => names.embedding === moduleName);
}

/**
 * Reads `config.json` as transformers 4 and 5 write it.
 *
 * @param json the parsed file
 * @param fileName for messages
 * @param onNote told of keys that are not used and may matter
 * @throws UnsupportedModelError for an architecture, activation function or kind of RoPE that is not
 *   supported, or a key that would change what is computed; CheckpointError for a value of the wrong type,
 *   out of range, or inconsistent with another
 */
export function parseModelConfig(json: JsonObject, fileName: string, onNote?: (note: string) => void): ModelConfig {
  const fields = new JsonFields(json, fileName);
  const family = findFamily(fields);
  const parsed = family.parseConfig(fields);
  // A class without a head still has the matrix of one that is tied.
  const isBare = fields.strings("architectures", [])[0] === bareClassName(family);
  const config: ModelConfig = isBare && !parsed.tiedEmbedding ? { ...parsed, headless: true } : parsed;
  checkModelConfig(config, fileName);
  for (const note of checkUnreadKeys(fields, config)) onNote?.(note);
  return config;
}

function findFamily(fields: JsonFields): Family {
  const classes = fields.strings("architectures", []);
  const modelType = fields.raw("model_type");
  const family = FAMILIES.find((candidate) =>
    classes.length > 0
      ? [candidate.className, bareClassName(candidate)].includes(classes[0]!)
      : candidate.architecture === modelType,
  );
  if (family) return family;
  const found = classes.length > 0 ? classes[0] : modelType;
  const supported = FAMILIES.map(({ className }) => className).join(", ");
  throw new UnsupportedModelError(`${fields.where}: architecture ${describe(found)} is not supported; supported: ${supported}`);
}

/** What transformers calls a family's model without a head: `Qwen3Model`. */
function bareClassName({ className, bareClassName: own }: Family): string {
  return own ?? className.replace(/(ForCausalLM|LMHeadModel)$/, "Model");
}

export interface ModelConfigExtras {
  readonly bosTokenId?: number | undefined;
  readonly eosTokenIds?: readonly number[] | undefined;
  /** Type of the float tensors; transformers loads the model in it. */
  readonly dtype?: "float32" | "float16" | "bfloat16" | undefined;
}

/**
 * Writes a `config.json` for a model that did not come with one (a GGUF): every key transformers needs.
 * `parseModelConfig` of the result gives `config` again.
 */
export function writeModelConfig(
  config: ModelConfig,
  { bosTokenId, eosTokenIds, dtype = "float32" }: ModelConfigExtras = {},
): JsonObject {
  const family = familyOf(config.architecture);
  return {
    architectures: [config.headless ? bareClassName(family) : family.className],
    model_type: config.architecture,
    ...family.writeConfig(config),
    bos_token_id: bosTokenId ?? null,
    eos_token_id:
      eosTokenIds === undefined || eosTokenIds.length === 0 ? null : eosTokenIds.length === 1 ? eosTokenIds[0] : eosTokenIds,
    torch_dtype: dtype,
    use_cache: true,
  };
}
