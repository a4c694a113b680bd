/**
 * SmolLM3: LLaMA in which queries and keys of some layers do not turn, every fourth unless the configuration
 * lists them.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { describe, type JsonFields } from "../../json-object.ts";
import type { Family } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";
import { MAX } from "../model-config.ts";

const INTERVAL = 4;

export const smollm3: Family = {
  architecture: "smollm3",
  className: "SmolLM3ForCausalLM",
  names: LLAMA_NAMES,
  gguf: {
    architecture: "smollm3",
    interleavedHeads: true,
    biases: { attention: ["none", "qkvo"], mlp: [false, true], head: false },
    traits: LLAMA_TRAITS,
    // No key says which; llama.cpp leaves out every fourth.
    own: ({ layers }) => ({ unrotatedLayers: everyLast(layers, INTERVAL) }),
  },
  parseConfig: (fields) => {
    // transformers gives a window to the layers that do not turn; no release has one.
    if (fields.boolean("use_sliding_window", false))
      throw new UnsupportedModelError(`${fields.where}: use_sliding_window: got true, supported: false`);
    const config = parseLlamaConfig(fields, {
      architecture: "smollm3",
      kvHeads: 4,
      contextLength: 32_768,
      theta: 2_000_000,
      tiedEmbedding: true,
    });
    return {
      ...config,
      unrotatedLayers: unrotatedLayers(fields, config.layers),
      attentionBias: fields.boolean("attention_bias", false) ? "qkvo" : "none",
      mlpBias: fields.boolean("mlp_bias", false),
    };
  },
  writeConfig: (config) => ({
    ...writeLlamaConfig(config),
    no_rope_layers: Array.from({ length: config.layers }, (_, layer) => (config.unrotatedLayers.includes(layer) ? 0 : 1)),
    use_sliding_window: false,
    attention_bias: config.attentionBias === "qkvo",
    mlp_bias: config.mlpBias,
  }),
};

/** `no_rope_layers` has a 1 for each layer that turns. */
function unrotatedLayers(fields: JsonFields, layers: number): readonly number[] {
  const interval = fields.positiveInteger("no_rope_layer_interval", MAX.layers, INTERVAL);
  if (fields.raw("no_rope_layers") === undefined) return everyLast(layers, interval);
  const turns = fields.numbers("no_rope_layers", layers);
  const wrong = turns.find((value) => value !== 0 && value !== 1);
  if (wrong === undefined) return turns.flatMap((value, layer) => (value === 0 ? [layer] : []));
  throw new CheckpointError(`${fields.where}: no_rope_layers: got ${describe(wrong)}, need 0 or 1 for each layer`);
}

/** The last layer of each whole `interval`. */
function everyLast(layers: number, interval: number): number[] {
  return Array.from({ length: Math.floor(layers / interval) }, (_, i) => (i + 1) * interval - 1);
}
