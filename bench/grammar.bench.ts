/**
 * What holding a text to a schema costs with a large vocabulary, per token and once.
 *
 *     npx tsx bench/grammar.bench.ts [GGUF|FOLDER] [--tokens 150000]
 *
 * The vocabulary is the model's, or one from a seed: words, with and without a space before them, digits,
 * signs and characters of other scripts. The text of each schema goes through twice: once where nothing is
 * known of it, once where it is. A GGUF's step of decoding is timed too, by one thread, and what masks take
 * is said as a part of it. Processor time, so that other programs count less.
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { loadModel } from "../src/index.ts";
import { jsonSchemaGrammar } from "../src/decoding/grammar/response-format.ts";
import { TokenConstraint } from "../src/decoding/grammar/token-constraint.ts";
import type { VocabularyTokens } from "../src/decoding/grammar/vocabulary-trie.ts";
import type { JsonObject } from "../src/json-object.ts";
import { Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { mulberry32 } from "../test/random.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { tokens: { type: "string", default: "150000" } } });
const SEED = 7;

function seededVocabulary(size: number): VocabularyTokens {
  const random = mulberry32(SEED);
  const pick = (letters: string) => Array.from(letters)[Math.floor(random() * Array.from(letters).length)]!;
  const found = new Map<string, Uint8Array>();
  const add = (bytes: Uint8Array) => found.set(bytes.join(), bytes);
  for (let byte = 0; byte < 256; byte++) add(Uint8Array.of(byte));
  const scripts = [
    "etaoinshrdlcumwfgypbvk",
    "etaoinshrdlcumwfgypbvk",
    "аеиностркмд",
    "的一是不了人我在有他",
    '{}[]":,.;()<>=\\\n\t ',
    "0123456789",
  ];
  while (found.size < size) {
    const letters = scripts[Math.floor(random() * scripts.length)]!;
    const word = Array.from({ length: 1 + Math.floor(random() * 8) }, () => pick(letters)).join("");
    add(new TextEncoder().encode((random() < 0.5 ? " " : "") + word));
  }
  const tokens = [...found.values()];
  return { vocabSize: size, specialIds: new Set(), idToToken: String, readBytes: (id) => tokens[id]! };
}

function tokenizerOf(folder: string): VocabularyTokens {
  const read = (name: string) => JSON.parse(readFileSync(`${folder}/${name}`, "utf8")) as JsonObject;
  return new Tokenizer({ tokenizerJson: read("tokenizer.json"), tokenizerConfig: read("tokenizer_config.json") }, folder);
}

const string = { type: "string" };
const person = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 40 },
    role: { enum: ["admin", "user"] },
    zip: { type: "string", pattern: "^\\d{5}$" },
  },
  required: ["name", "role", "zip"],
  additionalProperties: false,
};
const CASES: readonly (readonly [name: string, schema: JsonObject, text: string])[] = [
  ["any object", { type: "object" }, '{"hello": [1, 2.5, {"a": "some text here", "b": null}], "other": "more text, and more"}'],
  ["strings", { type: "object", properties: { a: string, b: string } }, `{"a": "${"words of a text, ".repeat(20)}", "b": "more"}`],
  ["people", { type: "object", properties: { people: { type: "array", items: person } } }, `{"people": [${Array.from({ length: 4 }, (_, i) => `{"name": "Person ${i}", "role": "user", "zip": "1234${i}"}`).join(", ")}]}`],
]; // prettier-ignore

const clock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const ms = (value: number) => `${value.toFixed(2).padStart(8)} ms`;

/** Tokens that are decoded to time one, behind a few that are not counted. */
const STEPS = { before: 4, timed: 32 };

const [place] = positionals;
await using model = place?.endsWith(".gguf") ? await loadModel(place, { threads: 1, contextSize: 128 }) : undefined;
const vocabulary = model?.tokenizer ?? (place === undefined ? seededVocabulary(Number(values.tokens)) : tokenizerOf(place));
const stepMs = model && (await decodeStep());
console.log(`${cpus()[0]?.model}, Node ${process.version}, ${vocabulary.vocabSize} tokens`);
if (stepMs !== undefined) console.log(`a step of decoding, threads: 1${ms(stepMs)}`);
const ids = new Map<string, number>();
for (let id = 0; id < vocabulary.vocabSize; id++) {
  if (vocabulary.idToToken(id) !== undefined && !vocabulary.specialIds.has(id)) ids.set(vocabulary.readBytes(id).join(), id);
}

async function decodeStep(): Promise<number> {
  let [count, began] = [0, 0];
  const maxTokens = STEPS.before + STEPS.timed;
  for await (const _ of model!.generate("Once upon a time", { maxTokens, draftMax: 0, temperature: 0, ignoreEos: true }))
    if (++count === STEPS.before) began = clock();
  if (count <= STEPS.before) throw new Error(`got ${count} pieces of text, need one for each token`);
  return (clock() - began) / (count - STEPS.before);
}

/** The longest tokens, from the start on. */
function tokensOf(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  const found: number[] = [];
  for (let at = 0; at < bytes.length;) {
    let length = Math.min(24, bytes.length - at);
    while (!ids.has(bytes.slice(at, at + length).join())) length--;
    found.push(ids.get(bytes.slice(at, at + length).join())!);
    at += length;
  }
  return found;
}

let began = clock();
new TokenConstraint(jsonSchemaGrammar({ type: "null" }, "schema"), vocabulary, []).prepare();
console.log(`the vocabulary as a trie, once ${ms(clock() - began)}`);
for (const [name, schema, text] of CASES) {
  const tokens = tokensOf(text);
  for (const round of ["first", "again"]) {
    began = clock();
    const constraint = new TokenConstraint(jsonSchemaGrammar(schema, "schema"), vocabulary, []);
    const compiled = clock() - began;
    const times = tokens.map((_, i) => {
      const [logits, before] = [new Float32Array(vocabulary.vocabSize), tokens.slice(0, i)];
      const start = performance.now();
      const startClock = clock();
      constraint.apply(logits, before);
      return Math.min(clock() - startClock, performance.now() - start);
    });
    const sorted = times.toSorted((a, b) => a - b);
    const mean = times.reduce((a, b) => a + b) / times.length;
    const median = sorted[sorted.length >> 1]!;
    const percent = (part: number) => `${((100 * part) / stepMs!).toFixed(1)} %`;
    const shares = stepMs === undefined ? "" : `; of a step: median ${percent(median)}, mean ${percent(mean)}`;
    console.log(
      `${name.padEnd(12)} ${round}: grammar ${ms(compiled)}, ${String(tokens.length).padStart(4)} tokens: median ${ms(median)}, mean ${ms(mean)}, longest ${ms(sorted.at(-1)!)}${shares}`,
    );
  }
}
