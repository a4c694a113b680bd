/** Keys of `generation_config.json`: used, noted, refused. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseGenerationConfig } from "../../src/checkpoint/generation-config.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError } from "../../src/errors.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { tinyModel } from "../tiny-model.ts";

const test = suite("generation config");

function parse(json: JsonObject | undefined, config: JsonObject = {}) {
  const notes: string[] = [];
  const { eosTokenIds } = parseGenerationConfig(json, config, (note) => notes.push(note));
  return { eosTokenIds, notes };
}

test("what published models have gives no note", () => {
  const published = {
    _from_model_config: true, bos_token_id: 1, do_sample: true, eos_token_id: [2, 3], pad_token_id: 0, max_length: 4096, max_new_tokens: 100,
    temperature: 0.6, top_k: 20, top_p: 0.95, repetition_penalty: 1.05, transformers_version: "5.0.0", use_cache: true, num_beams: 1,
    no_repeat_ngram_size: 0, typical_p: 1.0, guidance_scale: null, suppress_tokens: [], bad_words_ids: null, renormalize_logits: false,
    cache_implementation: "static",
  }; // prettier-ignore
  assert.equal(parse(published), { eosTokenIds: [2, 3], notes: [] });
  assert.equal(parse(undefined), { eosTokenIds: [], notes: [] });
});

test("what changes the text and is not carried out is noted with its value, all in one line", () => {
  for (const [key, value] of [
    ["num_beams", 4],
    ["num_beam_groups", 2],
    ["diversity_penalty", 0.5],
    ["penalty_alpha", 0.6],
    ["typical_p", 0.9],
    ["epsilon_cutoff", 3e-4],
    ["eta_cutoff", 3e-4],
    ["no_repeat_ngram_size", 3],
    ["encoder_no_repeat_ngram_size", 3],
    ["encoder_repetition_penalty", 1.1],
    ["min_length", 10],
    ["min_new_tokens", 10],
    ["guidance_scale", 1.5],
    ["exponential_decay_length_penalty", [5, 1.1]],
    ["bad_words_ids", [[5]]],
    ["force_words_ids", [[5]]],
    ["constraints", [{}]],
    ["sequence_bias", [[[5], -1]]],
    ["suppress_tokens", [5]],
    ["begin_suppress_tokens", [5]],
    ["forced_bos_token_id", 0],
    ["forced_eos_token_id", 2],
    ["forced_decoder_ids", [[1, 2]]],
    ["stop_strings", ["."]],
    ["token_healing", true],
    ["watermarking_config", { bias: 2 }],
    ["dola_layers", "high"],
  ] as const) {
    const { notes } = parse({ [key]: value });
    assert.equal(notes, [`generation_config.json: keys not carried out: ${key} ${JSON.stringify(value)}`]);
  }
  assert.equal(parse({ num_beams: 2, typical_p: 0.5 }).notes, [
    "generation_config.json: keys not carried out: num_beams 2, typical_p 0.5",
  ]);
});

test("an end token of -1 is none; other ids that are none are refused", () => {
  assert.equal(parse({ eos_token_id: -1 }), {
    eosTokenIds: [],
    notes: ["generation_config.json: eos_token_id: got -1, which is no token, and is not used"],
  });
  assert.equal(parse({}, { eos_token_id: [2, -1] }), {
    eosTokenIds: [2],
    notes: ["config.json: eos_token_id: got -1, which is no token, and is not used"],
  });
  for (const id of [-2, 1.5, "2", [[2]], true]) {
    assert.throws(() => parse({ eos_token_id: id }), (error: unknown) => error instanceof CheckpointError && /eos_token_id: got/.test(error.message)); // prettier-ignore
  }
});

test("the notes of a folder name it", async () => {
  const folder = tinyModel(1);
  folder.set("generation_config.json", JSON.stringify({ eos_token_id: 2, num_beams: 4 }));
  const { notes } = await openSafetensorsCheckpoint(folder);
  assert.equal(notes, ["tiny-llama-1: generation_config.json: keys not carried out: num_beams 4"]);
});

test.run();
