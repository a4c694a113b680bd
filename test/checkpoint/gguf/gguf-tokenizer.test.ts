import { suite } from "uvu";
import * as assert from "uvu/assert";
import { GgufMetadata } from "../../../src/checkpoint/gguf/gguf-metadata.ts";
import { ggufTokenizer } from "../../../src/checkpoint/gguf/gguf-tokenizer.ts";
import { readGguf } from "../../../src/checkpoint/gguf/gguf.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { Tokenizer } from "../../../src/tokenizer/tokenizer.ts";
import { mulberry32 } from "../../random.ts";
import { type FixtureValue, bool, buildGguf, f32, f32s, i32s, memoryFile, string, strings, u32 } from "./gguf-fixture.ts";

const SEED = 77;
const test = suite(`gguf-tokenizer (seed ${SEED})`);

async function tokenizerFiles(entries: Record<string, FixtureValue>) {
  const metadata = Object.entries(entries).map(([key, value]) => [`tokenizer.${key}`, value] as const);
  const gguf = await readGguf(memoryFile(buildGguf({ metadata, tensors: [] }).bytes));
  return ggufTokenizer(new GgufMetadata(gguf.metadata, "tiny.gguf"), "tiny.gguf");
}

async function refuses(
  entries: Record<string, FixtureValue>,
  kind: new (message: string) => Error,
  ...parts: string[]
): Promise<void> {
  try {
    await tokenizerFiles(entries);
  } catch (error) {
    assert.instance(error, kind, String(error));
    for (const part of ["tiny.gguf", ...parts])
      assert.ok((error as Error).message.includes(part), `"${part}" in: ${String(error)}`);
    return;
  }
  assert.unreachable(`not refused: ${parts.join(" ")}`);
}

// --- byte-level BPE

/**
 * GPT-2's alphabet, written out from its definition: 188 printable bytes as themselves, the others from
 * U+0100.
 */
const ALPHABET = (() => {
  const printable = new Set([...range(33, 126), ...range(161, 172), ...range(174, 255)]);
  let next = 256;
  return range(0, 255).map((byte) => String.fromCodePoint(printable.has(byte) ? byte : next++));
})();

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

const MERGES = ["h e", "l l", "he ll", "hell o", "Ġ hello", "1 2", "12 3", "' s", "Ċ Ċ", "Ġ Ġ", "Ã ©"];
const TOKENS = [...ALPHABET, ...MERGES.map((merge) => merge.replace(" ", "")), "<|end|>", "<tool>", "Ġ123"];
const END = TOKENS.indexOf("<|end|>");
const byteLevel = (pre: string): Record<string, FixtureValue> => ({
  "ggml.model": string("gpt2"),
  "ggml.pre": string(pre),
  "ggml.tokens": strings(TOKENS),
  "ggml.token_type": i32s(TOKENS.map((token) => (token === "<|end|>" ? 3 : token === "<tool>" ? 4 : 1))),
  "ggml.merges": strings(MERGES),
  "ggml.bos_token_id": u32(END),
  "ggml.eos_token_id": u32(END),
});

/** The pieces of a text, as the file spells them. */
async function pieces(pre: string, text: string): Promise<string[]> {
  const tokenizer = new Tokenizer((await tokenizerFiles(byteLevel(pre)))!, "tiny.gguf");
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  assert.is(tokenizer.decode(ids), text);
  return ids.map((id) => tokenizer.idToToken(id)!);
}

test("pre-tokenizers cut where their models do", async () => {
  const numbers = { smollm: ["1", "2", "3", "4"], "gpt-2": ["123", "4"], "llama-bpe": ["123", "4"], qwen2: ["1", "2", "3", "4"] };
  for (const [pre, expected] of Object.entries(numbers)) assert.equal(await pieces(pre, "1234"), expected, pre);
  // A space goes with the word in all; with a number only in GPT-2.
  assert.equal(await pieces("smollm", " hello 1"), ["Ġhello", "Ġ", "1"]);
  assert.equal(await pieces("gpt-2", "12 3"), ["12", "Ġ", "3"]);
  assert.equal(await pieces("llama-bpe", " 123"), ["Ġ", "123"]);
  // Contractions: lower case in GPT-2, any case in Llama 3 and Qwen2 ('S is no token here, so it shows as
  // two).
  assert.equal(await pieces("gpt-2", "a's"), ["a", "'s"]);
  assert.equal(await pieces("qwen2", "a's"), ["a", "'s"]);
  // Newlines keep together in Llama 3 and Qwen2 at the end of punctuation.
  assert.equal(await pieces("llama-bpe", "hello\n\n"), ["hello", "ĊĊ"]);
});

test("a file that names no pre-tokenizer gets a rule, and a note", async () => {
  const { "ggml.pre": _, ...none } = byteLevel("");
  for (const [entries, got] of [
    [none, "got nothing"],
    [byteLevel("default"), `got "default"`],
  ] as const) {
    const files = (await tokenizerFiles(entries))!;
    assert.is(files.notes!.length, 1);
    for (const part of ["tiny.gguf", "tokenizer.ggml.pre", got]) assert.ok(files.notes![0]!.includes(part), files.notes![0]);
    const ids = new Tokenizer(files, "tiny.gguf").encode("hello 1234!");
    assert.equal(
      ids.map((id) => TOKENS[id]),
      ["hello", "Ġ", "123", "4", "!"],
    );
  }
  assert.equal((await tokenizerFiles(byteLevel("gpt-2")))!.notes, []);
  // A whole tokenizer.json needs no rule, so none is guessed and an unknown name does not matter.
  const json = string(JSON.stringify({ model: { type: "BPE", vocab: { a: 0 }, merges: [] } }));
  for (const entries of [none, byteLevel("kimi-k2")])
    assert.equal((await tokenizerFiles({ ...entries, "huggingface.json": json }))!.notes, []);
});

test("a piece that is a token is taken whole by Llama 3 only", async () => {
  const word = {
    ...byteLevel("llama-bpe"),
    "ggml.tokens": strings([...TOKENS, "xyz"]),
    "ggml.token_type": i32s([...TOKENS, "xyz"].map(() => 1)),
  };
  const whole = new Tokenizer((await tokenizerFiles(word))!, "tiny.gguf");
  assert.equal(whole.encode("xyz", { addSpecialTokens: false }), [TOKENS.length]);
  const merged = new Tokenizer((await tokenizerFiles({ ...word, "ggml.pre": string("gpt-2") }))!, "tiny.gguf");
  assert.is(merged.encode("xyz").length, 3);
});

test("Qwen2 composes accents, the others leave them", async () => {
  const tokenizer = new Tokenizer((await tokenizerFiles(byteLevel("qwen2")))!, "tiny.gguf");
  assert.is(tokenizer.decode(tokenizer.encode("e\u0301")), "\u00e9");
  assert.is((await pieces("smollm", "e\u0301")).length, 3);
});

test("special tokens around the text", async () => {
  const plain = new Tokenizer((await tokenizerFiles(byteLevel("gpt-2")))!, "tiny.gguf");
  const bos = new Tokenizer((await tokenizerFiles(byteLevel("llama-bpe")))!, "tiny.gguf");
  const off = new Tokenizer(
    (await tokenizerFiles({ ...byteLevel("llama-bpe"), "ggml.add_bos_token": bool(false) }))!,
    "tiny.gguf",
  );
  const both = await tokenizerFiles({
    ...byteLevel("gpt-2"),
    "ggml.add_bos_token": bool(true),
    "ggml.add_eos_token": bool(true),
  });
  const [hello] = plain.encode("hello");
  assert.equal(plain.encode("hello"), [hello]);
  assert.equal(bos.encode("hello"), [END, hello]);
  assert.equal(bos.encode("hello", { addSpecialTokens: false }), [hello]);
  assert.equal(off.encode("hello"), [hello]);
  assert.equal(new Tokenizer(both!, "tiny.gguf").encode("hello"), [END, hello, END]);
  assert.equal(new Tokenizer(both!, "tiny.gguf").encode(""), [END, END]);
});

test("control tokens are parsed where allowed, user-defined ones always", async () => {
  const tokenizer = new Tokenizer((await tokenizerFiles(byteLevel("smollm")))!, "tiny.gguf");
  assert.equal(tokenizer.specialIds, new Set([END]));
  assert.equal(tokenizer.encode("<|end|>"), [END]);
  const plain = tokenizer.encode("<|end|>", { parseSpecial: false });
  assert.not.ok(plain.includes(END));
  assert.is(tokenizer.decode(plain), "<|end|>");
  assert.equal(tokenizer.encode("<tool>", { parseSpecial: false }), [TOKENS.indexOf("<tool>")]);
  assert.is(tokenizer.decode([END, ...plain], { skipSpecialTokens: true }), "<|end|>");
});

test("the chat template and roles reach tokenizer_config.json", async () => {
  const files = await tokenizerFiles({ ...byteLevel("smollm"), chat_template: string("{{ bos_token }}") });
  assert.is(files!.tokenizerConfig["chat_template"], "{{ bos_token }}");
  assert.is(files!.tokenizerConfig["bos_token"], "<|end|>");
  assert.is(files!.tokenizerConfig["pad_token"], null);
  assert.is(await tokenizerFiles({}), undefined);
});

test("a whole tokenizer.json in the file is taken as it is", async () => {
  const json = { model: { type: "BPE", vocab: { a: 0 }, merges: [] } };
  const files = await tokenizerFiles({ ...byteLevel("smollm"), "huggingface.json": string(JSON.stringify(json)) });
  assert.equal(files!.tokenizerJson, json);
});

test("an id of -1, which reads as 2^32 - 1, or of no token, is none", async () => {
  const none = Object.fromEntries(["padding", "unknown", "eot"].map((role) => [`ggml.${role}_token_id`, u32(0xffffffff)]));
  assert.equal(await tokenizerFiles({ ...byteLevel("smollm"), ...none }), await tokenizerFiles(byteLevel("smollm")));
  const large = { "ggml.padding_token_id": u32(0xfffffffe) };
  assert.equal(await tokenizerFiles({ ...byteLevel("smollm"), ...large }), await tokenizerFiles(byteLevel("smollm")));
});

test("what contradicts itself or is not known is refused by name", async () => {
  const base = byteLevel("smollm");
  await refuses({ ...base, "ggml.pre": string("kimi-k2") }, UnsupportedModelError, `"kimi-k2"`, "smollm, starcoder", "qwen2");
  await refuses({ ...base, "ggml.model": string("bert") }, UnsupportedModelError, "bert");
  await refuses({ ...base, "ggml.tokens": strings(TOKENS.slice(1)) }, CheckpointError, "token_type: got");
  await refuses({ ...base, "ggml.tokens": strings([...TOKENS.slice(1), "!"]) }, CheckpointError, `"!"`);
  await refuses({ ...base, "ggml.merges": strings(["he"]) }, CheckpointError, "merge 0");
  await refuses({ ...base, "ggml.merges": strings([...MERGES, "q q"]) }, CheckpointError, "q q");
  await refuses({ ...base, "ggml.eos_token_id": f32(1.5) }, CheckpointError, "eos_token_id", "a token id");
  await refuses({ ...base, "ggml.eos_token_id": string("2") }, CheckpointError, "eos_token_id", "a token id");
  await refuses({ ...base, "ggml.add_bos_token": u32(2) }, CheckpointError, "add_bos_token", "a bool");
  await refuses({ "ggml.model": string("llama"), "ggml.tokens": strings(["<unk>"]) }, CheckpointError, "scores");
});

// --- SentencePiece

const PIECES: readonly (readonly [piece: string, score: number])[] = [
  ["▁", -1], ["a", -2], ["b", -3], ["c", -4], ["n", -5], ["é", -6], ["▁a", -7], ["an", -8], ["ab", -9], ["ba", -10], ["na", -11],
  ["ana", -12], ["▁an", -13], ["▁b", -14], ["ban", -15], ["▁ban", -16], ["anab", -17], ["aa", -18], ["▁▁", -19], ["aaa", -20],
  ["nan", -21], ["cab", -22], ["▁cab", -23], ["▁c", -24], ["abab", -25], ["😀", -26], ["😀a", -27], ["é▁", -28],
]; // prettier-ignore
const BYTES = range(0, 255).map((byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
const SPM_TOKENS = ["<unk>", "<s>", "</s>", ...BYTES, ...PIECES.map(([piece]) => piece)];
const SPM_SCORES = [0, 0, 0, ...BYTES.map(() => 0), ...PIECES.map(([, score]) => score)];
const sentencePiece: Record<string, FixtureValue> = {
  "ggml.model": string("llama"),
  "ggml.tokens": strings(SPM_TOKENS),
  "ggml.scores": f32s(SPM_SCORES),
  "ggml.token_type": i32s([2, 3, 3, ...BYTES.map(() => 6), ...PIECES.map(() => 1)]),
};

/**
 * llama.cpp's rule: join the neighbours whose text is the piece of the highest score, the leftmost of equals,
 * until none is left.
 */
function greedySegmentation(text: string): number[] {
  const symbols = [...text.replaceAll(" ", "▁")];
  for (;;) {
    let best = -1;
    let bestScore = -Infinity;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const id = SPM_TOKENS.indexOf(symbols[i]! + symbols[i + 1]!);
      if (id >= 0 && SPM_SCORES[id]! > bestScore) [best, bestScore] = [i, SPM_SCORES[id]!];
    }
    if (best < 0) break;
    symbols.splice(best, 2, symbols[best]! + symbols[best + 1]!);
  }
  return symbols.flatMap((symbol) => {
    const id = SPM_TOKENS.indexOf(symbol);
    return id >= 0 ? [id] : Array.from(new TextEncoder().encode(symbol), (byte) => 3 + byte);
  });
}

test("SentencePiece: ids by llama.cpp's rule on random texts, and back", async () => {
  const tokenizer = new Tokenizer((await tokenizerFiles(sentencePiece))!, "tiny.gguf");
  const random = mulberry32(SEED);
  const characters = ["a", "a", "a", "b", "n", "n", "c", " ", " ", "é", "z", "😀", "\n", "ß"];
  for (let i = 0; i < 3000; i++) {
    const length = 1 + Math.floor(random() * 24);
    const text = Array.from({ length }, () => characters[Math.floor(random() * characters.length)]!).join("");
    const expected = greedySegmentation(` ${text}`);
    assert.equal(tokenizer.encode(text), [1, ...expected], JSON.stringify(text));
    assert.is(tokenizer.decode(expected), text);
  }
});

test("SentencePiece: known segmentations", async () => {
  const tokenizer = new Tokenizer((await tokenizerFiles(sentencePiece))!, "tiny.gguf");
  const spelled = (text: string) => tokenizer.encode(text, { addSpecialTokens: false }).map((id) => tokenizer.idToToken(id));
  // ▁ b a n a n a: "an" twice (-8), "ana" (-12), "▁b" (-14), "▁ban" (-16); "ban" (-15) came too late.
  assert.equal(spelled("banana"), ["▁ban", "ana"]);
  assert.equal(spelled("a"), ["▁a"]);
  assert.equal(spelled("z"), ["▁", "<0x7A>"]);
  assert.equal(spelled("ß"), ["▁", "<0xC3>", "<0x9F>"]);
});

test("SentencePiece: the space in front is optional, and put before each text between special tokens", async () => {
  const without = new Tokenizer((await tokenizerFiles({ ...sentencePiece, "ggml.add_space_prefix": bool(false) }))!, "tiny.gguf");
  assert.equal(without.encode("ab"), [1, SPM_TOKENS.indexOf("ab")]);
  assert.is(without.decode(without.encode(" ab", { addSpecialTokens: false })), " ab");
  const tokenizer = new Tokenizer((await tokenizerFiles(sentencePiece))!, "tiny.gguf");
  assert.equal(tokenizer.encode("a</s>a"), [1, SPM_TOKENS.indexOf("▁a"), 2, SPM_TOKENS.indexOf("▁a")]);
  assert.is(tokenizer.bosTokenId, 1);
  assert.is(tokenizer.eosTokenId, 2);
  assert.is(tokenizer.unkTokenId, 0);
});

test("SentencePiece: ranks of equal scores and pairs", async () => {
  const files = await tokenizerFiles(sentencePiece);
  const { merges } = files!.tokenizerJson["model"] as { merges: [string, string][] };
  const scores = merges.map(([left, right]) => SPM_SCORES[SPM_TOKENS.indexOf(left + right)]!);
  assert.equal(
    scores,
    scores.toSorted((a, b) => b - a),
  );
  assert.ok(merges.some(([left, right]) => left === "😀" && right === "a"));
  assert.is(new Set(merges.map(String)).size, merges.length);
});

test.run();
