import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OptionError } from "../../src/errors.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { mulberry32 } from "../random.ts";
import { smolLM2 } from "./smollm2.ts";

const SEED = 31;
const test = suite(`stream-decoder (seed ${SEED})`);

const BYTES = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
const TOKENS = ["<unk>", "<s>", "</s>", ...BYTES, "▁", "▁hello", "hello", "▁▁", "é", "\ufeff"];

/** SentencePiece: every byte, spaces, and special tokens. */
const sentencePiece = new Tokenizer(
  {
    tokenizerJson: {
      added_tokens: [0, 1, 2].map((id) => ({ id, content: TOKENS[id], special: true })),
      decoder: {
        type: "Sequence",
        decoders: [
          { type: "Replace", pattern: { String: "▁" }, content: " " },
          { type: "ByteFallback" },
          { type: "Fuse" },
          { type: "Strip", content: " ", start: 1, stop: 0 },
        ],
      },
      model: {
        type: "BPE",
        unk_token: "<unk>",
        byte_fallback: true,
        vocab: Object.fromEntries(TOKENS.map((token, id) => [token, id])),
        merges: [],
      },
    },
    tokenizerConfig: {},
  },
  "tiny",
);
const LONE_SURROGATE = /\p{Surrogate}/u;
const id = (token: string) => TOKENS.indexOf(token);
const bytes = (text: string) => Array.from(new TextEncoder().encode(text), (byte) => 3 + byte);

function streamed(tokenizer: Tokenizer, ids: readonly number[], skipSpecialTokens: boolean): string[] {
  const stream = tokenizer.streamDecoder({ skipSpecialTokens });
  const pieces = ids.map((token) => stream.push(token));
  return [...pieces, stream.flush()];
}

test("a character appears with its last byte", () => {
  assert.equal(streamed(sentencePiece, bytes("a😀é"), true), ["a", "", "", "", "😀", "", "é", ""]);
});

test("bytes that are no UTF-8 become U+FFFD as late as needed, and only they", () => {
  const cut = bytes("😀").slice(0, 3);
  assert.equal(streamed(sentencePiece, [...cut, id("hello")], true), ["", "", "", "\ufffdhello", ""]);
  assert.equal(streamed(sentencePiece, cut, true), ["", "", "", "\ufffd"]);
  assert.equal(streamed(sentencePiece, [3 + 0xff, id("é")], true), ["\ufffd", "é", ""]);
  // A byte order mark is text.
  assert.is(streamed(sentencePiece, [id("\ufeff"), id("hello")], true).join(""), "\ufeffhello");
});

test("the space in front of a text goes, all others stay", () => {
  assert.equal(streamed(sentencePiece, [id("▁hello"), id("▁hello")], true), ["hello", " hello", ""]);
  assert.equal(streamed(sentencePiece, [id("▁"), id("▁hello")], true), ["", " hello", ""]);
  assert.equal(streamed(sentencePiece, [id("▁▁"), id("hello")], true), [" ", "hello", ""]);
  assert.equal(streamed(sentencePiece, [id("hello")], true), ["hello", ""]);
  const continuing = sentencePiece.streamDecoder({ continues: true });
  assert.is(continuing.push(id("▁hello")), " hello");
});

test("special tokens are left out or shown; left out, they do not count as the beginning", () => {
  const ids = [id("<s>"), id("▁hello"), id("</s>")];
  assert.equal(streamed(sentencePiece, ids, true), ["", "hello", "", ""]);
  assert.equal(streamed(sentencePiece, ids, false), ["<s>", " hello", "</s>", ""]);
});

test("an id of no token is refused", () => {
  assert.throws(
    () => sentencePiece.streamDecoder().push(TOKENS.length),
    (error: unknown) => error instanceof OptionError,
  );
});

for (const [name, tokenizer] of [
  ["SentencePiece", sentencePiece],
  ["SmolLM2", smolLM2 && new Tokenizer(smolLM2.files, "SmolLM2")],
] as const) {
  if (tokenizer === undefined) continue;
  test(`${name}: pieces of random ids join to their decoded text; none ends inside a character`, () => {
    const random = mulberry32(SEED);
    for (let i = 0; i < 1000; i++) {
      const largest = i % 2 ? Math.min(300, tokenizer.vocabSize) : tokenizer.vocabSize;
      const ids = Array.from({ length: 1 + Math.floor(random() * 24) }, () => Math.floor(random() * largest));
      for (const skip of [true, false]) {
        const pieces = streamed(tokenizer, ids, skip);
        assert.is(pieces.join(""), tokenizer.decode(ids, { skipSpecialTokens: skip }), ids.join());
        for (const piece of pieces) assert.not.match(piece, LONE_SURROGATE, JSON.stringify(piece));
      }
    }
  });
}

if (smolLM2 !== undefined) {
  const { files, reference } = smolLM2;
  test("valid text streams without U+FFFD", () => {
    const tokenizer = new Tokenizer(files, "SmolLM2");
    for (const { text, ids } of reference.tokenizer) {
      const pieces = streamed(tokenizer, ids, true);
      assert.is(pieces.join(""), text);
      assert.not.ok(pieces.some((piece) => piece.includes("\ufffd")));
    }
  });
}

test.run();
