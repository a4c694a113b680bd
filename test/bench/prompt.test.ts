import { suite } from "uvu";
import * as assert from "uvu/assert";
import { promptOf } from "../../bench/peers/prompt.ts";

const test = suite("prompts of a given length");

/** A token for every three letters of a word, with the space before it. */
const tokenizer = {
  encode: (text: string) => text.split(/(?= )/).flatMap((word) => (word === "" ? [] : Array.from({ length: Math.ceil(word.trim().length / 3) }, (_, i) => i))), // prettier-ignore
};

test("any number of tokens is met, across words of several", () => {
  const text = "extraordinarily short words follow considerably longer constructions ".repeat(40).trim();
  for (const tokens of [1, 2, 5, 6, 7, 50, 123]) {
    const { ids, text: prompt } = promptOf(tokenizer, text, tokens);
    assert.is(ids.length, tokens);
    assert.equal(tokenizer.encode(prompt), ids);
  }
});

test("a text that is too short is an error", () => {
  assert.throws(() => promptOf(tokenizer, "too short", 50), /less than 50 tokens/);
});

test.run();
