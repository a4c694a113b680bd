/** The bound on a text's tokens that is had without encoding: never above what encoding gives. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fewestTokens } from "../../src/tokenizer/fewest-tokens.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { mulberry32 } from "../random.ts";
import { tinyTokenizer } from "../tiny-tokenizer.ts";

const SEED = 73;
const test = suite(`fewest tokens (seed ${SEED})`);
const random = mulberry32(SEED);
const { tokenizerJson, tokenizerConfig } = tinyTokenizer(320);
type Json = Record<string, unknown>;
const model = tokenizerJson["model"] as Json;
const LONGEST = new Tokenizer({ tokenizerJson, tokenizerConfig }, "tiny").longestToken;

/** Merged letters, digits, spaces, marks to be composed, compatibility forms. */
const PIECES = [
  " the", " cat", "and", "house", " ", "  ", "\n", "7", "<|im_end|>", "A\u030A", "e\u0301", "\u1100\u1161\u11A8", "\u212B",
  "\uFB01", "\u{1D400}", "\u{1F600}", "\u0958", "\u03B1\u0313\u0300\u0345", "\u00E9", "\u3000", "x",
]; // prettier-ignore
const text = () => Array.from({ length: Math.floor(random() * 40) }, () => PIECES[Math.floor(random() * PIECES.length)]).join("");

const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
const letters = [..."▁abcdefghijklmnopqrstuvwxyz"];
const sentencePiece = (vocab: readonly string[], more: Json): Json => ({
  added_tokens: [],
  normalizer: {
    type: "Sequence",
    normalizers: [{ type: "Prepend", prepend: "▁" }, { type: "Replace", pattern: { String: " " }, content: "▁" }],
  },
  pre_tokenizer: null,
  post_processor: null,
  decoder: { type: "Sequence", decoders: [{ type: "Replace", pattern: { String: "▁" }, content: " " }, { type: "ByteFallback" }] },
  model: {
    type: "BPE", unk_token: "<unk>", fuse_unk: true, byte_fallback: true,
    vocab: Object.fromEntries(["<unk>", ...vocab, "▁t", "he", "▁the"].map((token, id) => [token, id])),
    merges: [["▁", "t"], ["h", "e"], ["▁t", "he"]], ...more,
  },
}); // prettier-ignore

for (const [what, json] of [
  ["byte-level", tokenizerJson],
  ...["NFC", "NFD", "NFKC", "NFKD"].map((type) => [type, { ...tokenizerJson, normalizer: { type } }] as const),
  ["byte fallback", sentencePiece([...bytes, ...letters], {})],
  ["unknown characters apart", sentencePiece(letters, { fuse_unk: false, byte_fallback: false })],
] as readonly (readonly [string, Json])[]) {
  test(`${what}: at most what encoding gives, and one for each longest token`, () => {
    const tokenizer = new Tokenizer({ tokenizerJson: json, tokenizerConfig }, what);
    const fewest = fewestTokens(json, tokenizer.longestToken);
    for (let i = 0; i < 400; i++) {
      const sample = text();
      const { length } = tokenizer.encode(sample, { addSpecialTokens: false });
      assert.ok(fewest(sample) <= length, `${JSON.stringify(sample)}: ${fewest(sample)} > ${length}`);
    }
    const vocab = Object.keys((json["model"] as Json)["vocab"] as Json);
    const longest = Math.max(...vocab.map((token) => token.length));
    assert.is(fewest("x".repeat(1000 * longest)), 1000);
  });
}

test("characters with bytes that have no token are not counted", () => {
  const without = (...tokens: string[]) => {
    const vocab = Object.fromEntries(Object.entries(model["vocab"] as Json).filter(([token]) => !tokens.includes(token)));
    return fewestTokens({ ...tokenizerJson, model: { ...model, vocab } }, LONGEST);
  };
  const sample = "x y\u00E9]\u0004".repeat(1300);
  assert.is(without()(sample), 600);
  assert.is(without("\u00FF", "\u00C0")(sample), 600, "bytes that UTF-8 does not have");
  assert.is(without("Ġ")(sample), 500);
  assert.is(without("Ġ", "]", "Ą")(sample), 300);
  assert.is(without("\u00F1")(sample), 500);
});

for (const [what, change] of [
  ["a pre-tokenizer that drops spaces", { pre_tokenizer: { type: "WhitespaceSplit" } }],
  [
    "a Split that drops its matches",
    { pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "Removed", invert: false } },
  ],
  ["punctuation that is dropped", { pre_tokenizer: { type: "Punctuation", behavior: "Removed" } }],
  ["a step that is not known", { pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Other" }] } }],
  ["a normalizer that shortens", { normalizer: { type: "Replace", pattern: { String: "  " }, content: " " } }],
  [
    "a normalizer by pattern",
    { normalizer: { type: "Sequence", normalizers: [{ type: "Replace", pattern: { Regex: "a+" }, content: "aa" }] } },
  ],
  ["a normalizer of another kind", { normalizer: { type: "Strip" } }],
  [
    "an added token that takes the spaces around it",
    { added_tokens: [{ id: 0, content: "<|x|>", special: true, rstrip: true }] },
  ],
  ["runs of unknown characters as one token", sentencePiece(letters, { byte_fallback: false })],
  ["byte fallback that lacks a byte", sentencePiece([...bytes.slice(1), ...letters], {})],
  ["texts that are truncated", { truncation: { max_length: 5 } }],
] as const) {
  test(`no bound: ${what}`, () => assert.is(fewestTokens({ ...tokenizerJson, ...change }, LONGEST)("x".repeat(10_000)), 0));
}

test.run();
