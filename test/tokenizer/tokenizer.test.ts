import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { TokenizerFiles } from "../../src/checkpoint/checkpoint.ts";
import { CheckpointError, OptionError, UnsupportedModelError } from "../../src/errors.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { mulberry32 } from "../random.ts";
import { smolLM2 } from "./smollm2.ts";

const SEED = 9;
const test = suite(`tokenizer (seed ${SEED})`);

if (smolLM2 !== undefined) {
  const { files, reference } = smolLM2;
  const tokenizer = new Tokenizer(files, "SmolLM2");

  test("the reference's texts and prompts give its ids, and decode back", () => {
    assert.is(reference.tokenizer.length, 20);
    assert.is(reference.prompts.length, 5);
    for (const { text, ids } of [...reference.tokenizer, ...reference.prompts]) {
      assert.equal(tokenizer.encode(text), ids, JSON.stringify(text));
      assert.is(tokenizer.decode(ids), text);
    }
    for (const { greedy24, greedy_text } of reference.prompts) assert.is(tokenizer.decode(greedy24), greedy_text);
  });

  test("sizes and special ids", () => {
    assert.is(tokenizer.vocabSize, 49152);
    assert.equal([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId, tokenizer.unkTokenId], [1, 2, 2, 0]);
    assert.is(tokenizer.specialIds.size, 17);
    assert.is(tokenizer.tokenToId("<|im_end|>"), 2);
    assert.is(tokenizer.idToToken(2), "<|im_end|>");
    assert.is(tokenizer.idToToken(49152), undefined);
  });

  test("decoding equals the library's, for any ids", () => {
    const library = new HuggingFaceTokenizer(files.tokenizerJson, files.tokenizerConfig) as {
      decode(ids: number[], options: object): string;
    };
    const random = mulberry32(SEED);
    for (let i = 0; i < 500; i++) {
      // Half of them from the first 300 ids: single bytes, so broken UTF-8, and special tokens.
      const ids = Array.from({ length: 1 + Math.floor(random() * 20) }, () => Math.floor(random() * (i % 2 ? 300 : 49152)));
      for (const skip of [false, true]) {
        const expected = library.decode(ids, { skip_special_tokens: skip, clean_up_tokenization_spaces: false });
        assert.is(tokenizer.decode(ids, { skipSpecialTokens: skip }), expected, ids.join());
      }
    }
  });

  test("the text of a special token is that token only where it may be", () => {
    assert.equal(tokenizer.encode("<|im_end|>"), [2]);
    const plain = tokenizer.encode("a<|im_end|>b", { parseSpecial: false });
    assert.not.ok(plain.some((id) => tokenizer.isSpecial(id)));
    assert.is(tokenizer.decode(plain), "a<|im_end|>b");
    // Without such text the option changes nothing.
    for (const { text, ids } of reference.tokenizer) assert.equal(tokenizer.encode(text, { parseSpecial: false }), ids);
  });

  test("what was asked wrongly is said", () => {
    assert.throws(() => tokenizer.encode(7 as unknown as string), isError(OptionError, "number"));
    for (const id of [-1, 49152, 0.5, NaN]) assert.throws(() => tokenizer.decode([id]), isError(OptionError, String(id)));
    assert.is(tokenizer.decode([]), "");
    assert.equal(tokenizer.encode(""), []);
  });

  test("speed", () => {
    const started = performance.now();
    const fresh = new Tokenizer(files, "SmolLM2");
    const loaded = performance.now();
    const text = reference.tokenizer
      .map((vector) => vector.text)
      .join("\n")
      .repeat(100);
    const ids = fresh.encode(text);
    const encoded = performance.now();
    assert.is(fresh.decode(ids), text);
    console.log(
      `\nfigure: tokenizer made in ${(loaded - started).toFixed(0)} ms; ${ids.length} ids encoded in ${(encoded - loaded).toFixed(0)} ms, ` +
        `decoded in ${(performance.now() - encoded).toFixed(0)} ms`,
    );
  });
}

function isError(kind: new (message: string) => Error, ...parts: string[]) {
  return (error: unknown) => error instanceof kind && parts.every((part) => error.message.includes(part));
}

const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

/** A tokenizer.json of a few characters, with some of its parts replaced. */
function tiny(
  parts: Record<string, unknown> = {},
  model: Record<string, unknown> = {},
  config: Record<string, unknown> = {},
): TokenizerFiles {
  const characters = ["a", "b", "1", "2", "Ġ", "Ã", "©", "Ù", "¡", "¢", "½", "Â", "ab"];
  const vocab = Object.fromEntries(characters.map((character, id) => [character, id]));
  const tokenizerJson = {
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: BYTE_LEVEL,
    post_processor: null,
    decoder: BYTE_LEVEL,
    model: { type: "BPE", vocab, merges: ["a b"], ...model },
    ...parts,
  };
  return { tokenizerJson, tokenizerConfig: config };
}

test("Digits are all numeric characters, as in the Rust implementation", () => {
  const digits = {
    type: "Sequence",
    pretokenizers: [
      { type: "Digits", individual_digits: true },
      { ...BYTE_LEVEL, use_regex: false },
    ],
  };
  const cut = (text: string) => new Tokenizer(tiny({ pre_tokenizer: digits }), "tiny").encode(text).length;
  assert.is(cut("ab"), 1);
  assert.is(cut("1212"), 4);
  // U+0661, an Arabic digit, is the bytes D9 A1; U+00BD the bytes C2 BD.
  assert.is(cut("\u0661\u0661"), 4);
  const grouped = { type: "Digits", individual_digits: false };
  const joined = tiny({ pre_tokenizer: { type: "Sequence", pretokenizers: [grouped, { ...BYTE_LEVEL, use_regex: false }] } });
  assert.is(new Tokenizer(joined, "tiny").encode("12").length, 2);
});

test("files without optional parts, and tokens given as objects", () => {
  const { tokenizerJson } = tiny({ added_tokens: [{ id: 13, content: "<s>", special: true }] });
  const { version: _, normalizer: __, post_processor: ___, ...without } = tokenizerJson;
  const tokenizer = new Tokenizer(
    { tokenizerJson: without, tokenizerConfig: { bos_token: { content: "<s>" }, eos_token: null } },
    "tiny",
  );
  assert.is(tokenizer.bosTokenId, 13);
  assert.is(tokenizer.eosTokenId, undefined);
  assert.is(tokenizer.vocabSize, 14);
  assert.equal(tokenizer.encode("ab<s>b"), [12, 13, 1]);
});

function refuses(files: TokenizerFiles, kind: new (message: string) => Error, ...parts: string[]): void {
  assert.throws(() => new Tokenizer(files, "tiny"), isError(kind, "tiny", ...parts));
}

test("a damaged vocabulary is refused, naming its tokens", () => {
  const added = (...tokens: object[]) => tiny({ added_tokens: tokens });
  refuses(tiny({}, { vocab: { a: 0, b: 1, ab: 1 } }), CheckpointError, '"ab"', '"b"', "id 1");
  refuses(added({ id: 0, content: "<s>" }), CheckpointError, '"<s>"', '"a"', "id 0");
  refuses(added({ id: 40, content: "a" }), CheckpointError, '"a"', "0", "40");
  refuses(added({ id: 40, content: "<s>" }, { id: 41, content: "<s>" }), CheckpointError, '"<s>"', "40", "41");
  refuses(added({ id: 2 ** 22, content: "<s>" }), CheckpointError, String(2 ** 22));
  refuses(added({ id: 40, content: "x".repeat(70_000), special: true }), CheckpointError, "70000", "1024");
  refuses(tiny({}, { merges: ["a c"] }), CheckpointError, '["a","c"]');
  refuses(tiny({}, { merges: ["b a"] }), CheckpointError, '["b","a"]');
  refuses(tiny({}, { merges: ["a b c"] }), CheckpointError, "merges");
  const lower = tiny({
    normalizer: { type: "Lowercase" },
    added_tokens: [
      { id: 40, content: "<S>", normalized: true },
      { id: 41, content: "<s>", normalized: true },
    ],
  });
  refuses(lower, CheckpointError, "41", "40");
});

test("a token may be called __proto__", () => {
  const { tokenizerJson } = tiny();
  const model = tokenizerJson["model"] as { vocab: Record<string, number> };
  const vocab = JSON.parse(JSON.stringify(model.vocab).replace("{", '{"__proto__":13,')) as Record<string, number>;
  const added = [{ id: 14, content: "constructor" }];
  const tokenizer = new Tokenizer(
    { tokenizerJson: { ...tokenizerJson, added_tokens: added, model: { ...model, vocab } }, tokenizerConfig: {} },
    "tiny",
  );
  assert.is(tokenizer.tokenToId("__proto__"), 13);
  assert.is(tokenizer.tokenToId("toString"), undefined);
  assert.equal(tokenizer.encode("aconstructorb"), [0, 14, 1]);
});

test("a damaged post-processor is refused", () => {
  const template = (parts: object) => tiny({ post_processor: { type: "TemplateProcessing", special_tokens: {}, ...parts } });
  const text = { Sequence: { id: "A", type_id: 0 } };
  const token = { SpecialToken: { id: "<s>", type_id: 0 } };
  refuses(template({ pair: [] }), CheckpointError, "post_processor: single: got nothing");
  refuses(template({ single: [text, token] }), CheckpointError, "special_tokens", '"<s>"');
  refuses(template({ single: [text, token], special_tokens: { "<s>": { ids: [99] } } }), CheckpointError, "99", "13");
  refuses(template({ single: [text, { Sequence: { id: "B" } }] }), CheckpointError, "single", "Sequence");
  refuses(template({ single: [] }), UnsupportedModelError, "0 times");
  refuses(tiny({ post_processor: { type: "BertProcessing", cls: ["a", 0] } }), CheckpointError, "sep");
  refuses(tiny({ post_processor: { type: "Other" } }), UnsupportedModelError, "Other");
});

test("steps that grow a text without end are refused", () => {
  const double = { type: "Replace", pattern: { String: "a" }, content: "aa" };
  const sequence = (step: object, count: number) => ({
    type: "Sequence",
    normalizers: Array.from({ length: count }, () => step),
  });
  const few = new Tokenizer(tiny({ normalizer: sequence(double, 4) }), "tiny");
  assert.is(few.encode("aaa").length, 48);
  for (const step of [double, { type: "Prepend", prepend: "a".repeat(10_000) }, { type: "ByteLevel" }]) {
    const many = new Tokenizer(tiny({ normalizer: sequence(step, 60) }), "tiny");
    assert.throws(() => many.encode("a\u0100"), isError(UnsupportedModelError, "normalizer", "grows"));
  }
  refuses(tiny({ normalizer: sequence(double, 64) }), UnsupportedModelError, "more than 64 steps");
  const cuts = (step: object, count: number) => ({ type: "Sequence", pretokenizers: Array.from({ length: count }, () => step) });
  refuses(tiny({ pre_tokenizer: cuts({ type: "Whitespace" }, 64) }), UnsupportedModelError, "more than 64 steps");
  refuses(tiny({ pre_tokenizer: cuts(BYTE_LEVEL, 5) }), UnsupportedModelError, "4 of ByteLevel");
  const tokens = Array.from({ length: 1025 }, (_, i) => ({ id: 100 + i, content: String(i).padEnd(1024) }));
  refuses(tiny({ added_tokens: tokens }), CheckpointError, "added_tokens", String(2 ** 20));
});

test("half of a surrogate pair is refused", () => {
  const tokenizer = new Tokenizer(tiny(), "tiny");
  for (const text of ["\ud83d", "a\ude00", "\ude00\ud83d"])
    assert.throws(() => tokenizer.encode(text), isError(OptionError, "surrogate"));
  tokenizer.encode("\ud83d\ude00");
});

test("damaged files and steps that would be carried out wrongly are refused", () => {
  refuses({ tokenizerJson: {}, tokenizerConfig: {} }, CheckpointError, "model");
  refuses(tiny({}, { type: "Unigram" }), UnsupportedModelError, "Unigram");
  refuses(tiny({}, { merges: ["ab"] }), CheckpointError, "merges");
  refuses(tiny({}, { vocab: { a: -1 } }), CheckpointError, `"a"`, "-1");
  refuses(tiny({}, { vocab: { a: 2 ** 40 } }), CheckpointError, `"a"`);
  refuses(tiny({}, { unk_token: "<unk>" }), CheckpointError, "<unk>");
  refuses(tiny({ added_tokens: [{ id: "1", content: "x" }] }), CheckpointError, `"x"`);
  refuses(tiny({ added_tokens: {} }), CheckpointError, "added_tokens");
  refuses(tiny({ decoder: null }), UnsupportedModelError, "decoder: got none, need ByteLevel");
  refuses(tiny({ decoder: { type: "WordPiece" } }), UnsupportedModelError, "WordPiece");
  refuses(tiny({ pre_tokenizer: { type: "Unknown" } }), UnsupportedModelError, "Unknown");
  refuses(tiny({ normalizer: { type: "Precompiled" } }), UnsupportedModelError, "Precompiled");
  const merged = { type: "Split", pattern: { String: " " }, behavior: "Mixed" };
  refuses(tiny({ pre_tokenizer: { type: "Sequence", pretokenizers: [merged] } }), UnsupportedModelError, "Mixed");
});

test.run();
