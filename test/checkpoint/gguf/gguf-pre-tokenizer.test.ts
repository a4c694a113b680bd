/** Each name of `tokenizer.ggml.pre` cuts texts where Rust's `tokenizers` does with the same patterns. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PRE_TOKENIZERS } from "../../../src/checkpoint/gguf/gguf-pre-tokenizer.ts";
import { KNOWN_PATTERNS } from "../../../src/checkpoint/gguf/split-patterns.ts";
import { compileRegExp } from "../../../src/tokenizer/patterns/pattern.ts";
import { preTokenizer } from "../../../src/tokenizer/pre-tokenizer.ts";

const golden = JSON.parse(readFileSync(new URL("golden/pre-tokenizers.json", import.meta.url), "utf8")) as {
  readonly texts: readonly string[];
  /** Ends of the pieces of each text, in code points. */
  readonly rules: readonly { readonly names: readonly string[]; readonly ends: readonly string[] }[];
};

const test = suite("gguf-pre-tokenizer");

test("every name is in the reference", () =>
  assert.equal(golden.rules.flatMap(({ names }) => names).toSorted(), [...PRE_TOKENIZERS.keys()].toSorted()));

for (const { names, ends } of golden.rules) {
  test(names.join(", "), () => {
    for (const name of names) {
      const { pattern } = PRE_TOKENIZERS.get(name)!;
      const splits = pattern.map((Regex) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false }));
      const cut = preTokenizer({ type: "Sequence", pretokenizers: splits }, name)!;
      for (const [i, text] of golden.texts.entries()) {
        let end = 0;
        const pieces = text === "" ? [] : cut({ texts: [text], isStart: true }).texts;
        const found = pieces.map((piece) => (end += [...piece].length)).join(" ");
        assert.is(found, ends[i], `${name}: ${JSON.stringify(text)}`);
      }
    }
  });
}

test("patterns that RegExp runs read no text again and again", () => {
  // Quadratic time shows: 30,000 characters would take a second for each of these texts.
  const units = [
    " ",
    "\n",
    " \n",
    "a",
    "A",
    "Aa",
    "aA",
    "'",
    "'s",
    "1",
    "!",
    "! ",
    "\u0301",
    "e\u0301",
    "\u0e20",
    "\u0e20A",
    "\u4e16",
    "\u00a0",
    ".\n",
  ];
  for (const regex of KNOWN_PATTERNS) {
    const find = compileRegExp(regex, "test");
    const machine = compileRegExp(`(?:${regex})`, "test");
    for (const unit of units) {
      for (const tail of ["", "x", "1", " x"]) {
        const text = unit.repeat(300) + tail;
        assert.equal(machine(text), find(text), `${regex} in ${JSON.stringify(unit)}... ${tail}`);
        find(unit.repeat(30_000) + tail);
      }
    }
  }
});

test.run();
