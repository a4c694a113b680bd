/** Mistral: LLaMA whose tokens all see a window of the latest ones, unless `sliding_window` is null. */
import type { JsonFields, JsonObject } from "../../json-object.ts";
import type { Family } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";
import { MAX, type ModelConfig } from "../model-config.ts";

export const mistral: Family = {
  architecture: "mistral",
  className: "MistralForCausalLM",
  names: LLAMA_NAMES,
  gguf: {
    architecture: "llama",
    interleavedHeads: true,
    biases: { attention: ["none"], mlp: [false], head: false },
    traits: LLAMA_TRAITS,
  },
  parseConfig: (fields) => {
    const config = parseLlamaConfig(fields, { architecture: "mistral", kvHeads: 8, contextLength: 131_072 });
    return { ...config, attentionWindows: config.attentionWindows.map(() => slidingWindow(fields)) };
  },
  writeConfig: (config) => ({ ...writeLlamaConfig(config), ...writeWindow(config) }),
};

/** `sliding_window`: 0 if the key is null, which switches windows off; a missing one means the default. */
export function slidingWindow(fields: JsonFields): number {
  const off = fields.has("sliding_window") && fields.raw("sliding_window") === undefined;
  return off ? 0 : fields.positiveInteger("sliding_window", MAX.context, 4096);
}

/** `sliding_window`: 0 if the key is null or missing. */
export function nullableWindow(fields: JsonFields): number {
  return fields.raw("sliding_window") === undefined ? 0 : slidingWindow(fields);
}

/** The window of all layers. */
export function writeWindow({ attentionWindows }: ModelConfig): JsonObject {
  return { sliding_window: attentionWindows.find((size) => size > 0) ?? null };
}
