/** What a user does with a model file, from opening it to text: the attacked path. */
import { createHash } from "node:crypto";
import * as errors from "../../src/errors.ts";
import { LanguageModel } from "../../src/decoding/language-model.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { ByteSource, Folder, ModelLocation } from "../../src/checkpoint/byte-source.ts";
import { MemoryFile } from "../../test/memory-folder.ts";
import type { Files, Observation } from "./subject.ts";

const TEXTS = [
  "the cat sat on the mat",
  "",
  " h\u00e9llo \ud83d\ude00\u0000 <|im_start|>x<|im_end|></s>  12345\n\n\t\ufeff\u0085",
  `${"a".repeat(60)}!`,
];
const CONVERSATION = [
  { role: "system", content: "be kind" },
  { role: "user", content: "the cat\n{{ 1 }} <|im_end|>" },
  { role: "assistant", content: "sat" },
  { role: "user", content: "" },
];
/** Tokens that logits are computed of. */
const TOKENS = 5;
const GENERATED = 2;

/** @throws an error of `src/errors.ts` if the files are no model that runs */
export async function runModel(files: Files): Promise<Observation> {
  const seen = createHash("sha256");
  const see = (...values: readonly unknown[]) => seen.update(`${JSON.stringify(values)}\n`);
  await using model = await LanguageModel.load(location(files), nodeHost, { threads: 1 });
  const { tokenizer } = model;
  let ids: readonly number[] = [];
  // A text that cannot be encoded, or a template that refuses a conversation, is no reason not to run.
  for (const text of TEXTS) {
    refusable(see, () => {
      const encoded = tokenizer.encode(text);
      if (ids.length === 0) ids = encoded;
      see(encoded, tokenizer.decode(encoded), tokenizer.decode(encoded, { skipSpecialTokens: true }));
      see(tokenizer.encode(text, { parseSpecial: false, addSpecialTokens: false }));
    });
  }
  refusable(see, () => see(model.promptIds(CONVERSATION)));
  const { vocabSize } = model.config;
  const prompt = [...ids.filter((id) => id < vocabSize), 0].slice(0, Math.min(TOKENS, model.config.contextLength));
  const logits = await model.logits(prompt);
  seen.update(new Uint8Array(logits.buffer));
  const room = Math.min(GENERATED, model.config.contextLength - prompt.length);
  if (room > 0) {
    const { text, tokens } = await model.generate(prompt, { maxTokens: room, seed: 1, temperature: 1 }).result;
    see(text, tokens, model.endTokenIds);
  }
  return { digest: seen.digest("hex"), isFinite: logits.every(Number.isFinite), bytes: model.memory().total };
}

function refusable(see: (...values: readonly unknown[]) => unknown, work: () => void): void {
  try {
    work();
  } catch (error) {
    const isTyped = error instanceof Error && Object.hasOwn(errors, error.name);
    if (!isTyped) throw error;
    see(error.name, error.message);
  }
}

function location(files: Files): ModelLocation {
  const file = files.get("model.gguf");
  if (file) return { kind: "file", file: new MemoryFile("model.gguf", file) };
  return { kind: "folder", folder: folderOf(files) };
}

/** A folder that shares the bytes of the files; a read outside one is an error of no class. */
function folderOf(files: Files): Folder {
  return {
    name: "model",
    list: () => Promise.resolve([...files.keys()]),
    open: (fileName): Promise<ByteSource> => {
      const bytes = files.get(fileName);
      if (!bytes) return Promise.reject(new errors.CheckpointError(`model: ${fileName} is missing`));
      return Promise.resolve(new MemoryFile(`model/${fileName}`, bytes));
    },
  };
}
