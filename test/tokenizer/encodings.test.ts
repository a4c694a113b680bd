/**
 * Ids and decoded texts against Hugging Face's Rust `tokenizers`, for every step of tokenizer.json in its
 * modes.
 */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError, UnsupportedModelError } from "../../src/errors.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";

interface Case {
  readonly name: string;
  readonly base: string;
  readonly json: { readonly model: object } & Record<string, unknown>;
  /** Why Rust does not load it. */
  readonly error?: string;
  /** Ids where special tokens stay text, by the number of the text; missing where they are the same. */
  readonly plain?: Readonly<Record<number, number[]>>;
  /** Ids, and the text they decode to where it is not the text itself; null where Rust panics. */
  readonly results?: readonly ([ids: number[], decoded: string | null] | null)[];
}

const golden = JSON.parse(readFileSync(new URL("golden/encodings.json", import.meta.url), "utf8")) as {
  readonly texts: readonly string[];
  readonly bases: Readonly<Record<string, object>>;
  readonly cases: readonly Case[];
};

/** What is refused though Rust carries it out, with a part of the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  // Its tables of control characters are those of an old Unicode.
  "normalizer BertNormalizer": "BertNormalizer",
  "normalizer Replace empty": "empty text",
  "cut UnicodeScripts": "UnicodeScripts",
  "BPE dropout": "dropout",
  "post Template twice": "2 times",
  "post Template without text": "0 times",
  // Strip before the tokens are one text, bytes behind that, two marks, more than one space.
  ...Object.fromEntries([6, 7, 14, 15, 16, 17, 19, 20, 21, 22].map((number) => [`decoders ${number}`, "in their order"])),
  "decoder null": "got none",
  "decoder Fuse": "Fuse",
  "decoder BPEDecoder": "BPEDecoder",
  // Not to be followed one character at a time.
  [String.raw`regex (a)\1`]: String.raw`\1`,
  "regex (?<=ab)c": "looking back",
  "regex (?:ab)++": "possessive",
  "regex (?>a+)b": "atomic",
  [String.raw`regex \G\w|\Z`]: String.raw`\G`,
  // Not translated.
  "regex (?m:.+)": "Invalid group",
  "regex (?x: a b )": "Invalid group",
  "regex a(?#comment)b": "Invalid group",
  "regex (?<name>a)b": "a group of another kind",
  ...Object.fromEntries(
    [String.raw`\R`, String.raw`\X`, String.raw`\K`, String.raw`\101`].map((name) => [`regex ${name}`, "Invalid escape"]),
  ),
  ...Object.fromEntries(
    ["Punct", "Space", "Alnum", "^L"].map((name) => [String.raw`regex \p{${name}}+`, "Invalid property name"]),
  ),
  ...Object.fromEntries(["graph", "print"].map((name) => [`regex [[:${name}:]]+`, name])),
  // Letters whose cases are not in ASCII.
  "regex (?i:\u00c9|\u03c3+)": "either case",
  "regex (?i:stra\u00dfe|ss)": "either case",
  "regex (?i:[\u03b1-\u03c9]+)": "either case",
  [String.raw`regex (?i:\x{3c3})`]: "either case",
};

const test = suite("tokenizer.json, step by step");

function tokenizer({ json, base }: Case): Tokenizer {
  const tokenizerJson = { ...json, model: { ...json.model, ...golden.bases[base] } };
  return new Tokenizer({ tokenizerJson, tokenizerConfig: {} }, "golden");
}

let compared = 0;
let forged = 0;
for (const one of golden.cases) {
  test(one.name, () => {
    const reason = REFUSED[one.name];
    if (one.error !== undefined || reason !== undefined) {
      const isTyped = (error: unknown) => error instanceof CheckpointError || error instanceof UnsupportedModelError;
      assert.throws(
        () => tokenizer(one),
        (error: unknown) => isTyped(error) && (error as Error).message.includes(reason ?? ""),
      );
      return;
    }
    const made = tokenizer(one);
    for (const [i, text] of golden.texts.entries()) {
      const result = one.results![i];
      if (!result) continue;
      const [ids, decoded] = result;
      assert.equal(made.encode(text), ids, JSON.stringify(text));
      checkPlain(made, text, one.plain![i] ?? ids);
      assert.is(made.decode(ids), decoded ?? text, JSON.stringify(text));
      compared++;
    }
  });
}

/**
 * Special tokens as text. Merges may make one of its letters, and Rust lets them; here a text that must not
 * end a turn does not.
 */
function checkPlain(made: Tokenizer, text: string, expected: readonly number[]): void {
  const found = made.encode(text, { parseSpecial: false });
  const what = `plain ${JSON.stringify(text)}`;
  // A token of one character is that character, where nothing else spells it.
  const isForged = (id: number) => {
    const token = made.idToToken(id)!;
    return made.isSpecial(id) && token.length > 1 && text.includes(token);
  };
  if (!expected.some(isForged)) return assert.equal(found, expected, what);
  assert.not.ok(made.encode(text, { parseSpecial: false, addSpecialTokens: false }).some(isForged), what);
  // Rust gives a token that is found in normalized texts back with the space that was put before it.
  const letters = (ids: readonly number[]) => made.decode(ids).replaceAll(" ", "");
  assert.is(letters(found), letters(expected), what);
  forged++;
}

test("texts whose letters merge to a special token were among them", () => assert.ok(forged > 50, String(forged)));

test("all but a few of the texts were compared", () =>
  assert.ok(compared > 0.8 * golden.cases.length * golden.texts.length, String(compared)));

test.run();
