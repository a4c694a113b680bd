import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileModulePattern } from "../../../src/checkpoint/quantization/module-pattern.ts";
import { mulberry32 } from "../../random.ts";

const test = suite("module pattern (seed 3)");
const random = mulberry32(3);
const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;

// What `re.match(pattern, name) is not None` says in Python 3.11.
for (const [pattern, name, expected] of [
  [".*q_proj$", "model.layers.0.self_attn.q_proj", true],
  [".*q_proj$", "model.layers.0.self_attn.q_proj.extra", false],
  [".*q_proj", "model.layers.0.self_attn.q_proj.extra", true],
  ["q_proj", "model.layers.0.self_attn.q_proj", false],
  ["model\\.layers\\.(0|3|5)\\.self_attn\\.(q|k|v)_proj$", "model.layers.3.self_attn.k_proj", true],
  ["model\\.layers\\.(0|3|5)\\.self_attn\\.(q|k|v)_proj$", "model.layers.35.self_attn.k_proj", false],
  ["model.layers.\\d+.mlp", "model.layers.12.mlp.up_proj", true],
  ["^lm_head", "lm_head", true],
  ["", "anything", true],
  ["$", "", true],
  ["$", "x", false],
  ["a{2,3}$", "aaaa", false],
  ["a{2,3}$", "aaa", true],
  ["a{2}b", "aab", true],
  ["(?:ab)*$", "ababab", true],
  ["[^a-c.]+$", "xyz", true],
  ["[^a-c.]+$", "xyb", false],
  ["[]x]$", "]", true],
  ["[a\\-z]$", "-", true],
  ["[a-]$", "-", true],
  ["\\w+\\.\\W?\\S+", "a.b", true],
] as const) {
  test(`${JSON.stringify(pattern)} ${expected ? "matches" : "does not match"} ${JSON.stringify(name)}`, () =>
    assert.is(compileModulePattern(pattern)(name), expected));
}

/** A random pattern in the language both engines understand. */
function randomPattern(depth: number): string {
  const atom = () => {
    const simple = ["a", "b", ".", "\\.", "[ab]", "[^a]", "\\d", "[0-9a]", "1"];
    return depth > 0 && random() < 0.3 ? `${pick(["(", "(?:"])}${randomPattern(depth - 1)})` : pick(simple);
  };
  const sequence = () =>
    Array.from(
      { length: Math.floor(random() * 4) },
      () => atom() + pick(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?"]),
    ).join("");
  return Array.from({ length: 1 + Math.floor(random() * 2.5) }, sequence).join("|") + pick(["", "", "$"]);
}

test("agrees with the engine's RegExp on random patterns and names", () => {
  let matched = 0;
  for (let i = 0; i < 5000; i++) {
    const pattern = randomPattern(2);
    const matches = compileModulePattern(pattern);
    const oracle = new RegExp(`^(?:${pattern})`, "s");
    for (let j = 0; j < 10; j++) {
      const name = Array.from({ length: Math.floor(random() * 7) }, () => pick([..."ab.1"])).join("");
      const expected = oracle.test(name);
      matched += Number(expected);
      if (matches(name) !== expected) assert.unreachable(`${pattern} on "${name}": expected ${expected}`);
    }
  }
  assert.ok(matched > 5000 && matched < 45_000, `${matched} of 50000 match: too one-sided to say anything`);
});

test("patterns that make a backtracking engine run for years end at once", () => {
  const name = `${"a".repeat(200)}!`;
  for (const pattern of ["(a*)*$", "(a+)+$", "(a|aa)+$", "(.*)*x", "(a?){99}a{99}$", "((a*)*)*$", ".*.*.*.*.*.*.*.*.*.*x$"]) {
    assert.is(compileModulePattern(pattern)(name), false, pattern);
  }
});

test("what is not supported, malformed or too large is refused", () => {
  for (const [pattern, reason] of [
    ["(?!lm_head).*", /character 2: got a group of another kind, need \(\.\.\.\) or \(\?:/],
    ["(?P<n>a)", /got a group of another kind, need \(\.\.\.\)/],
    ["a\\b", /escape \\b/],
    ["\\1", /escape \\1/],
    ["(a", /got no \), need one/],
    ["a)", /got an unmatched \), need/],
    ["[a", /got the end, need more/],
    ["a\\", /got the end, need more/],
    ["*a", /got "\*" with nothing before it, need something to repeat/],
    ["a**", /two quantifiers/],
    ["a{3,2}", /runs backwards/],
    ["a{1000}", /need \{m\}/],
    ["a{", /need \{m\}/],
    ["^*", /anchor/],
    ["[z-a]", /backwards/],
    ["x".repeat(10_000), /10000 characters/],
    ["(".repeat(2000), /nested/],
    ["((a{999}){999}){999}", /more than 20000 steps/],
    ["(((){999}){999}){999}", /more than 20000 steps/],
  ] as const) {
    assert.throws(() => compileModulePattern(pattern), (error: unknown) => error instanceof SyntaxError && reason.test(error.message), pattern); // prettier-ignore
  }
});

test.run();
