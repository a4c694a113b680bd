/** The machine for patterns that are not trusted finds what `RegExp` finds, and cannot hang. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KNOWN_PATTERNS } from "../../src/checkpoint/gguf/split-patterns.ts";
import { UnsupportedModelError } from "../../src/errors.ts";
import { LinearPattern } from "../../src/tokenizer/patterns/linear-pattern.ts";
import { compilePattern, compileRegExp } from "../../src/tokenizer/patterns/pattern.ts";
import { mulberry32 } from "../random.ts";

const SEED = 21;
const test = suite(`linear patterns (seed ${SEED})`);
const random = mulberry32(SEED);
const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;

/** A random pattern of the supported syntax. */
function pattern(depth: number): string {
  const atom = (): string =>
    depth > 0 && random() < 0.4
      ? `(${pick(["", "?:"])}${pattern(depth - 1)})`
      : pick([
          "a",
          "b",
          "[ab]",
          "[^a]",
          ".",
          String.raw`\p{L}`,
          String.raw`\s`,
          "é",
          "\u{1F600}",
          String.raw`\u0061`,
          "(?!a)",
          "(?<=b)",
          "(?=[^b])",
          "(?<!a)",
          "(?=ab)",
          "(?!a?b)",
          "(?=(?:ab|b)+[^a])",
        ]);
  const quantifier = () => pick(["", "", "", "?", "+", "*", "??", "+?", "*?", "{2}", "{1,2}", "{0,2}?", "{1,}"]);
  const sequence = () =>
    Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
      const part = atom();
      return part.startsWith("(?!") || part.startsWith("(?<") || part.startsWith("(?=") ? part : part + quantifier();
    }).join("");
  return Array.from({ length: 1 + Math.floor(random() * 2) }, sequence).join("|");
}

function byRegExp(source: string, text: string): number[] {
  const found: number[] = [];
  let lastEnd = -1;
  for (const { 0: match, index } of text.matchAll(new RegExp(source, "gu"))) {
    const end = index + match.length;
    if (index !== end || end !== lastEnd) found.push(index, end);
    lastEnd = end;
  }
  return found;
}

test("random patterns find in random texts what RegExp finds", () => {
  let compared = 0;
  for (let i = 0; i < 3000; i++) {
    const source = pattern(2);
    let machine: LinearPattern;
    try {
      machine = new LinearPattern(source);
    } catch (error) {
      assert.instance(error, SyntaxError);
      assert.match((error as Error).message, /may be empty/);
      continue;
    }
    for (let t = 0; t < 4; t++) {
      const text = Array.from({ length: Math.floor(random() * 12) }, () =>
        pick(["a", "a", "b", " ", "é", "\n", "\u{1F600}"]),
      ).join("");
      const expected = byRegExp(source, text);
      // V8 looks inside of a surrogate pair where a pattern may be empty.
      if (expected.some((at) => text.charCodeAt(at) >>> 10 === 0x37 && text.charCodeAt(at - 1) >>> 10 === 0x36)) continue;
      assert.equal(machine.matches(text), expected, `${source} in ${JSON.stringify(text)}`);
      compared++;
    }
  }
  assert.ok(compared > 5000, String(compared));
});

test("the patterns that RegExp may run give the same on the machine", () => {
  const characters = [
    "a",
    "B",
    "'s",
    "'LL",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "1",
    "23",
    "½",
    "!",
    "...",
    "é",
    "שׁ",
    "\u4e16",
    "\u{1F600}",
    "\u00a0",
    "\u0085",
    "\ufeff",
    "e\u0301",
    "/",
  ];
  const texts = Array.from({ length: 200 }, () => Array.from({ length: 30 }, () => pick(characters)).join(""));
  for (const regex of KNOWN_PATTERNS) {
    const known = compileRegExp(regex, "test");
    // The same in a group is not known.
    const machine = compileRegExp(`(?:${regex})`, "test");
    for (const text of texts) assert.equal(machine(text), known(text), `${regex} in ${JSON.stringify(text)}`);
  }
});

test("patterns on which backtracking takes years take no time", () => {
  const text = `${"a".repeat(20_000)}!`;
  for (const regex of [
    "(a+)+$",
    "(a|aa)+$",
    "(a|a)*b",
    "(.*)(.*)(.*)x",
    "(a{1,30}){1,30}$",
    "([a-z]+)*1",
    String.raw`(\s*\w+\s*)+:`,
  ])
    try {
      compileRegExp(regex, "test")(text);
    } catch (error) {
      assert.instance(error, UnsupportedModelError);
    }
  assert.equal(compileRegExp("(a+)+$", "test")(text), []);
  assert.equal(compileRegExp("(a+)+!", "test")(text), [0, text.length]);
});

test("looking ahead to the end from every place takes no time", () => {
  const digits = "1234567890".repeat(10_000);
  const thousands = compileRegExp(String.raw`\d{1,3}(?=(?:\d{3})*\b)`, "test")(digits);
  assert.is(thousands.length, 2 * Math.ceil(digits.length / 3));
  assert.equal(thousands.slice(0, 4), [0, 1, 1, 4]);
});

test("a pattern that reads to the end for each match is refused by name at a long text", () => {
  const find = compileRegExp("a*b|a", "tokenizer.json");
  assert.equal(find("aaab"), [0, 4]);
  assert.throws(
    () => find("a".repeat(20_000)),
    (error: unknown) =>
      error instanceof UnsupportedModelError && error.message.includes("a*b|a") && error.message.includes("steps"),
  );
});

test("what cannot be followed is refused by name", () => {
  const cases: Record<string, string> = {
    [String.raw`(a)\1`]: String.raw`\1`,
    "(?<=ab)c": "looking back at more than one character",
    "(a*)*": "may be empty",
    "(((((a{100}){100}){100})": "group",
    "((a{100}){100}){100}": "steps",
    [`${"(".repeat(60)}a${")".repeat(60)}`]: "nested",
    ["a".repeat(10_000)]: "characters",
    "(?:ab)++c": "possessive",
    "(?>a)": "atomic",
    "(?i:\u00df)": "either case",
    "(?i:ss)": "either case",
    "(?i:[\u00e9])": "either case",
    "a{2000}": "{2000}",
    "[a": "class",
  };
  for (const [regex, reason] of Object.entries(cases)) {
    assert.throws(
      () => compilePattern({ Regex: regex }, "tokenizer.json"),
      (error: unknown) =>
        error instanceof UnsupportedModelError && error.message.includes(reason) && error.message.startsWith("tokenizer.json"),
      `${regex.slice(0, 30)}: ${reason}`,
    );
  }
});

test.run();
