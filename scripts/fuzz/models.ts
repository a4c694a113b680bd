/**
 * Model files as what is fuzzed: each kind is bases, edits, and edits that may change nothing.
 *
 * Bodies of HTTP requests are to be a kind too, beside these, once there is something that reads them.
 */
import { BASE_GROUPS, baseFiles } from "./bases.ts";
import { Choices } from "./choices.ts";
import { editBytes } from "./edits/byte-edits.ts";
import { type Edit, type EditedFiles, named, ofFile } from "./edits/edit.ts";
import { anyGgufBytes, field, metadataEntry, neutralGguf, partOfGguf, tensor } from "./edits/gguf-edits.ts";
import { jsonEdit, neutralJsonEdit } from "./edits/json-edits.ts";
import { CONFIG, GENERATION, INDEX, QUANTIZATION, TOKENIZER, TOKENIZER_CONFIG } from "./edits/json-words.ts";
import {
  anyBytes,
  consistentTensor,
  headerJson,
  headerLength,
  neutralFile,
  neutralHeader,
  tensorNumbers,
} from "./edits/safetensors-edits.ts";
import { chatTemplate } from "./edits/template-edits.ts";
import { runModel } from "./model-run.ts";
import type { CaseId, Files, MadeCase, Subject } from "./subject.ts";

interface Kind {
  readonly bases: readonly string[];
  /** One that stands here twice is made twice as often. */
  readonly edits: readonly Edit[];
  readonly neutral: readonly Edit[];
}

const file = {
  config: named("config.json"),
  generation: named("generation_config.json"),
  index: named("model.safetensors.index.json"),
  tokenizer: named("tokenizer.json"),
  tokenizerConfig: named("tokenizer_config.json"),
};
const bytesOf = (name: (files: EditedFiles, choices: Choices) => string | undefined) =>
  ofFile(name, (bytes, choices) => editBytes(bytes, choices));

const NEUTRAL_TOKENIZER = [neutralJsonEdit(file.tokenizer), neutralJsonEdit(file.tokenizerConfig), neutralFile];
const NEUTRAL_FOLDER = [neutralHeader, neutralJsonEdit(file.config), neutralJsonEdit(file.generation), ...NEUTRAL_TOKENIZER];
const { folders, gguf, splitGguf, quantized, integers } = BASE_GROUPS;

const KINDS: Readonly<Record<string, Kind>> = {
  gguf: {
    bases: gguf,
    edits: [field, field, metadataEntry, metadataEntry, metadataEntry, tensor, tensor, anyGgufBytes],
    neutral: [neutralGguf],
  },
  "gguf-split": {
    bases: splitGguf,
    edits: [field, metadataEntry, metadataEntry, tensor, tensor, anyGgufBytes, partOfGguf, partOfGguf],
    neutral: [neutralGguf],
  },
  safetensors: {
    bases: [...folders, "sharded"],
    edits: [headerJson, headerJson, headerJson, headerLength, consistentTensor, consistentTensor, tensorNumbers(/./), anyBytes],
    neutral: [neutralHeader, neutralFile],
  },
  "safetensors-index": {
    bases: ["sharded"],
    edits: [jsonEdit(file.index, INDEX), jsonEdit(file.index, INDEX), headerJson, consistentTensor, bytesOf(file.index)],
    neutral: [neutralJsonEdit(file.index), neutralHeader],
  },
  config: {
    bases: folders,
    edits: [jsonEdit(file.config, CONFIG), jsonEdit(file.config, CONFIG), jsonEdit(file.config, CONFIG), bytesOf(file.config)],
    neutral: NEUTRAL_FOLDER,
  },
  tokenizer: {
    bases: ["llama", "gpt2"],
    edits: [
      ...Array.from({ length: 5 }, () => jsonEdit(file.tokenizer, TOKENIZER)),
      jsonEdit(file.tokenizerConfig, TOKENIZER_CONFIG),
      bytesOf(file.tokenizer),
    ],
    neutral: NEUTRAL_TOKENIZER,
  },
  "chat-template": {
    bases: ["llama", "qwen2"],
    edits: [chatTemplate, chatTemplate, chatTemplate, jsonEdit(file.tokenizerConfig, TOKENIZER_CONFIG)],
    neutral: [neutralJsonEdit(file.tokenizerConfig)],
  },
  "generation-config": {
    bases: ["llama", "w4a8"],
    edits: [jsonEdit(file.generation, GENERATION), jsonEdit(file.generation, GENERATION), bytesOf(file.generation)],
    neutral: [neutralJsonEdit(file.generation)],
  },
  quantized: {
    bases: quantized,
    edits: [
      ...Array.from({ length: 4 }, () => jsonEdit(file.config, QUANTIZATION)),
      headerJson,
      consistentTensor,
      consistentTensor,
      tensorNumbers(/scale|minimum|multiplier/),
      tensorNumbers(/packed|shape|lora/),
      anyBytes,
    ],
    neutral: NEUTRAL_FOLDER,
  },
  integers: {
    bases: integers,
    edits: [
      ...Array.from({ length: 3 }, () => jsonEdit(file.config, QUANTIZATION)),
      headerJson,
      consistentTensor,
      consistentTensor,
      tensorNumbers(/scale/),
      tensorNumbers(/zero/),
      tensorNumbers(/g_idx/),
      anyBytes,
    ],
    neutral: NEUTRAL_FOLDER,
  },
};

/** Cases whose edits may change nothing. */
const NEUTRAL_SHARE = 0.15;
/** Chance of one more edit. */
const MORE = 0.35;
const MOST_EDITS = 5;

async function make({ kind, seed, keep }: CaseId): Promise<MadeCase> {
  const { bases, edits, neutral } = KINDS[kind]!;
  const choices = new Choices(seed);
  const base = choices.pick(bases);
  const isNeutral = choices.chance(NEUTRAL_SHARE);
  const seeds = [choices.seed()];
  while (seeds.length < MOST_EDITS && choices.chance(MORE)) seeds.push(choices.seed());
  const files: EditedFiles = new Map(await baseFiles(base));
  const made: string[] = [];
  for (const [at, editSeed] of seeds.entries()) {
    if (keep !== undefined && !keep.includes(at)) continue;
    // An edit has its own choices: it is the same, as far as it can be, whichever others are made.
    const own = new Choices(editSeed);
    made.push(own.pick(isNeutral ? neutral : edits)(files, own) ?? "an edit without a place here");
  }
  return { base, edits: made, editCount: seeds.length, isNeutral, files };
}

export const subject: Subject = {
  kinds: Object.keys(KINDS),
  make,
  original: (base): Promise<Files> => baseFiles(base),
  run: runModel,
};
