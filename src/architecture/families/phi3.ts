/**
 * Phi-3, Phi-3.5, Phi-4 and Phi-4-mini: LLaMA with q, k and v in one module, gate and up in another; a part
 * of each head may turn, by LongRoPE where contexts are long.
 */
import type { Family } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";
import { nullableWindow, writeWindow } from "./mistral.ts";
import { rotaryFactor } from "../rope-config.ts";

const { query: _, key: __, value: ___, gate: ____, ...BLOCK } = LLAMA_NAMES.block;

export const phi3: Family = {
  architecture: "phi3",
  className: "Phi3ForCausalLM",
  names: {
    ...LLAMA_NAMES,
    block: { ...BLOCK, qkv: "self_attn.qkv_proj", up: "mlp.gate_up_proj" },
  },
  gguf: {
    architecture: "phi3",
    partialRotary: true,
    statesNoWindow: true,
    biases: { attention: ["none"], mlp: [false], head: false },
    traits: LLAMA_TRAITS,
  },
  parseConfig: (fields) => {
    const config = parseLlamaConfig(fields, {
      architecture: "phi3",
      contextLength: 4096,
      eps: 1e-5,
      partialRotary: 1,
    });
    const window = nullableWindow(fields);
    return { ...config, attentionWindows: config.attentionWindows.map(() => window) };
  },
  writeConfig: (config) => ({
    ...writeLlamaConfig(config),
    partial_rotary_factor: rotaryFactor(config),
    ...writeWindow(config),
  }),
};
