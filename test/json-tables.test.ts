/** Large parts of a JSON file read beside the engine's parser: the same values, and the same refusals. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError } from "../src/errors.ts";
import { entriesOf, type JsonObject, type LargeParts, parseJsonObject } from "../src/json-object.ts";

const test = suite("json tables");
const PARTS: LargeParts = { of: "model", table: "vocab", texts: "merges" };
const read = (text: string) => parseJsonObject(text, "file", PARTS);
const around = (vocab: string, merges = '["a b"]') =>
  `{"x": 1, "model": {"type": "BPE", "vocab": ${vocab}, "merges": ${merges}}, "y": []}`;

const NAMES = String.raw`"a", "", "é", "\u00e9x", "Ġthe", "\"", "\\", "\n", "😀", "\ud83d\ude01", "__proto__", "12", "longer than twelve units", "{", "]"`;
const names = JSON.parse(`[${NAMES}]`) as string[];

for (const [what, text] of [
  ["as it is written by default", JSON.stringify({ model: { vocab: Object.fromEntries(names.map((name, i) => [name, i])) } })],
  [
    "indented",
    around(
      `{\n\t${NAMES.split(", ")
        .map((name, i) => `${name} : ${i}`)
        .join(" ,\r\n ")} }`,
      `[ "a b" ,\n "c d" ]`,
    ),
  ],
  ["pairs", around('{"a": 0}', String.raw`[["a", "b"], [ "\u0041" ,"longer than twelve units" ]]`)],
  ["empty", around("{}", "[]")],
  ["other values", around('{"a": 1.5, "b": -1, "c": 1e3, "d": 12345678901, "e": null}', '[1, ["a", "b", "c"], {"a": 1}]')],
  ["nothing large", '{"model": null, "vocab": {"a": 1}}'],
  ["parts elsewhere", '{"a": {"vocab": {"b": 1}}, "model": [{"vocab": {"c": 1}}], "vocab": {"d": 2}, "merges": ["e f"]}'],
  ["parts of other kinds", around('["a"]', '{"a": 1}')],
  ["one behind another", '{"model": {"merges": ["a b"], "vocab": {"a": 1}, "more": {"vocab": {"a": 2}}}}'],
] as const) {
  test(`${what}: what JSON.parse gives`, () => {
    assert.equal(JSON.stringify(read(text)), JSON.stringify(JSON.parse(text)));
    const model = read(text)["model"];
    const expected = (JSON.parse(text) as { model: { vocab?: object } | null }).model?.vocab;
    if (model === null || Array.isArray(model) || expected === undefined || Array.isArray(expected)) return;
    // An object has names that are numbers before all others, whatever the file says.
    const sorted = (entries: Iterable<[string, unknown]>) => [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
    assert.equal(sorted(entriesOf(model as JsonObject, "vocab")!), sorted(Object.entries(expected)));
  });
}

for (const [what, text, message] of [
  ["a name twice", around('{"a": 1, "a": 2}'), /key "a": got it twice/],
  ["a name twice, written otherwise", around(String.raw`{"a": 1, "\u0061": 2}`), /key "a": got it twice/],
  ["a part twice", '{"model": {"vocab": {"a": 1}, "vocab": {"b": 1}}}', /key "vocab": got it twice/],
  ["a sign before the table", around('-{"a": 1}'), /not JSON/],
  ["a digit before the table", around('1{"a": 1}'), /not JSON/],
  ["a digit before the texts", around('{"a": 1}', '1["a"]'), /not JSON/],
  ["two tables", around('{"a": 1} {"b": 2}'), /not JSON/],
  ["no colon before the table", '{"model": {"vocab" {"a": 1}}}', /not JSON/],
  ["a leading zero", around('{"a": 01}'), /not JSON/],
  ["a comma at the end", around('{"a": 1,}'), /not JSON/],
  ["a comma at the end of texts", around('{"a": 1}', '["a",]'), /not JSON/],
  ["an escape that is none", around(String.raw`{"\x": 1}`), /not JSON/],
  ["a line break in a name", around('{"a\n": 1}'), /not JSON/],
  ["an end in a name", '{"model": {"vocab": {"a', /not JSON/],
  ["an end behind a backslash", '{"model": {"vocab": {"a\\', /not JSON/],
  ["an end in a number", '{"model": {"vocab": {"a": 1', /not JSON/],
  ["an end in a pair", '{"model": {"merges": [["a", "b"', /not JSON/],
] as const) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => read(text),
      (error: Error) => error instanceof CheckpointError && message.test(error.message),
    );
  });
}

test("a table read is an object to whoever copies it", () => {
  const model = read(around('{"b": 7, "a": 3}'))["model"] as JsonObject;
  assert.equal({ ...model }["vocab"], { b: 7, a: 3 });
  assert.equal(
    entriesOf({ ...model }, "vocab"),
    new Map([
      ["b", 7],
      ["a", 3],
    ]),
  );
  assert.is(entriesOf(model, "merges"), undefined);
});

test.run();
