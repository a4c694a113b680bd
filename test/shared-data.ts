/** Models and reference values that live beside the repository, too large or too foreign to be part of it. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SHARED = fileURLToPath(new URL("../../shared", import.meta.url));

/**
 * The path of a shared file or folder; undefined, with a printed reason, where it is missing.
 *
 * @param path inside the shared folder, for instance `reference/tiny`
 * @throws Error if it is missing and the environment variable FPTQ_REQUIRE_DATA is set: a skip would hide a
 *   failure there
 */
export function sharedData(path: string): string | undefined {
  const full = `${SHARED}/${path}`;
  if (existsSync(full)) return full;
  const reason = `../shared/${path} is missing`;
  if (process.env["FPTQ_REQUIRE_DATA"]) throw new Error(reason);
  console.log(`skip: ${reason}`);
  return undefined;
}

/** The bytes of a shared file, or undefined where it is missing. */
export function sharedFile(path: string): Uint8Array | undefined {
  const full = sharedData(path);
  return full === undefined ? undefined : readFileSync(full);
}

/** A 135M-parameter LLaMA in GGUF: 30 layers, tied head. */
export const SMOLLM2 = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/** Values for SmolLM2 from an independent float32 implementation; the rules are stated in the file. */
export interface SmolLM2Reference {
  prompts: {
    text: string;
    ids: number[];
    top10_ids: number[];
    top10_logits: number[];
    greedy24: number[];
  }[];
  tokenizer: { text: string; ids: number[] }[];
  wikitext2_test: { ppl: Perplexities };
  hellaswag_val_400: { first_5_loglikelihoods: number[][] };
  calibration: {
    absmax: Record<"qkv" | "o" | "fc1" | "down", number[]>;
    k_absmax: number[];
    v_absmax: number[];
  };
  wikitext2_test_quantized_ppl: Record<string, Perplexities>;
}

export interface Perplexities {
  all_positions: number;
  second_half: number;
}

export function smollm2Reference(): SmolLM2Reference | undefined {
  const bytes = sharedFile("reference/smollm2-reference.json");
  return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as SmolLM2Reference);
}
