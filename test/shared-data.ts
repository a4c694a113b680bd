/**
 * The real model, texts and reference values that lie beside the repository, not in it. Tests that need them fail in CI if they are
 * missing and are skipped elsewhere, with the reason printed.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SHARED = new URL("../../shared/", import.meta.url);

/** Path of a file below `../shared`. */
export const sharedPath = (path: string) => fileURLToPath(new URL(path, SHARED));

/** Whether all of these files are there; if not, says so (or, in CI, throws). */
export function haveShared(...paths: string[]): boolean {
  const missing = paths.filter((path) => !existsSync(new URL(path, SHARED)));
  if (missing.length === 0) return true;
  const reason = `../shared has no ${missing.join(", ")}`;
  if (process.env["CI"]) throw new Error(reason);
  console.log(`skip: ${reason}`);
  return false;
}

export const SMOLLM2 = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

export interface SmolLM2Reference {
  prompts: {
    text: string;
    ids: number[];
    top10_ids: number[];
    top10_logits: number[];
    greedy24: number[];
    greedy_text: string;
    smallest_margin: number;
  }[];
  tokenizer: { text: string; ids: number[] }[];
  wikitext2_test: { ppl: { all_positions: number; second_half: number } };
  calibration: {
    absmax: Record<"qkv" | "o" | "fc1" | "down", number[]>;
    k_absmax: number[];
    v_absmax: number[];
  };
  wikitext2_test_quantized_ppl: Record<string, { all_positions: number; second_half: number }>;
}

export const smollm2Reference = (): SmolLM2Reference =>
  JSON.parse(readFileSync(sharedPath("reference/smollm2-reference.json"), "utf8")) as SmolLM2Reference;
