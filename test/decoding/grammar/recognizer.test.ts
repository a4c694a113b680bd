/** What texts grammars hold for: schemas and GBNF against lists of texts, and masks against every token. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { gbnfGrammar } from "../../../src/decoding/grammar/gbnf.ts";
import { type Grammar, sequenceOf, specialToken, textOf, upTo } from "../../../src/decoding/grammar/grammar.ts";
import { schemaGrammar } from "../../../src/decoding/grammar/json/schema-grammar.ts";
import { type Position, recognizerOf } from "../../../src/decoding/grammar/recognizer.ts";
import { TokenConstraint } from "../../../src/decoding/grammar/token-constraint.ts";
import { OptionError, UnsupportedModelError } from "../../../src/errors.ts";
import { Tokenizer } from "../../../src/tokenizer/tokenizer.ts";
import { mulberry32 } from "../../random.ts";
import { TINY_EOS, tinyTokenizer } from "../../tiny-tokenizer.ts";
import { SCHEMAS } from "./schemas.ts";

const SEED = 17;
const test = suite(`grammars (seed ${SEED})`);

type Reading = "whole" | "begun" | "wrong";

function read(grammar: Grammar, text: string): Reading {
  const recognizer = recognizerOf(grammar);
  let position: Position | null = recognizer.start;
  for (const byte of new TextEncoder().encode(text)) if (position) position = recognizer.after(position, byte);
  return position === null ? "wrong" : position.isEnd ? "whole" : "begun";
}

const object = (properties: object, rest: object = {}) => ({ type: "object", properties, additionalProperties: false, ...rest });
const ABC = object({ a: { type: "string" }, b: { type: "integer" }, c: { enum: ["x", 1] } }, { required: ["b"] });

const TEXTS: readonly (readonly [schema: object, whole: readonly string[], begun: readonly string[], wrong: readonly string[]])[] = [
  [{ type: "integer", minimum: -5, maximum: 120 }, ["0", "-5", "120", "13"], ["-", ""], ["-6", "121", "-0", "007", "1.0"]],
  [{ type: "number", minimum: 0.5, maximum: 0.7 }, ["0.5", "0.7", "0.70", "0.69999"], ["0", "0."], ["0.71", "0.9", "0.4", "1", "-0.6"]],
  [{ type: "number", exclusiveMinimum: -1.5, maximum: 1e3 }, ["-1.49", "3", "1000", "1000.0", "-0.0"], ["-1.4999."].slice(1), ["-1.5", "-1.51", "1000.1", "1001", "1e2"]],
  [{ type: "integer", multipleOf: 7 }, ["14", "-21", "0"], ["15"], ["1.5"]],
  [{ type: "number" }, ["-1.5e-9", "12E+3", "0"], ["1.", "1e"], ["01", ".5", "1e999", "+1"]],
  [{ type: "string", pattern: "^[0-9]{5}(-[0-9]{4})?$" }, ['"12345"', '"12345-6789"'], ['"1234'], ['"1234"', '"123456"']],
  [{ type: "string", pattern: 'a"b|^c' }, ['"xa\\"by"', '"cd"'], ['"xa\\"'], ['"xab"', '"dc"']],
  [{ type: "string", pattern: "^(?!no)\\w+$" }, ['"yes"', '"nay"', '"n"'], ['"no'].slice(1), ['"no"', '"nobody"', '"a b"']],
  [{ type: "string", pattern: "^\\S[^é]*$" }, ['"a b"', '"日本"'], ['"a'], ['" a"', '"aé"']],
  [{ type: "string", minLength: 2, maxLength: 3 }, ['"ab"', '"abc"', '"é\\n😀"', '"\\ud83d\\ude00x"'], ['"\\ud83d\\u'], ['"a"', '"abcd"', '"\\ud83d"', '"a\nb"']],
  [{ type: "string", maxLength: 900 }, ['""', `"${"é".repeat(900)}"`], ['"'], [`"${"é".repeat(901)}"`]],
  [{ type: "string", format: "date" }, ['"2024-02-29"', '"2000-02-29"', '"2023-12-31"'], ['"2023-02-2'], ['"2023-02-29"', '"1900-02-29"', '"2023-04-31"']],
  [ABC, ['{"b":1}', '{"a":"q","b":1}', '{"a": "q", "b": 1, "c": "x"}', '{"b":1,"c":1}', '{\n  "b": 1\n}'], ['{"a":"q"', '{"b":1,'], ["{}", '{"a":"q"}', '{"b":1,"a":"q"}', '{"b":1,"c":"z"}', '{"b":1}}', '{"b":1,}', '{ "a" : "q"']],
  [object({ a: { type: "string" } }, { additionalProperties: { type: "integer" } }), ["{}", '{"a":"x","b":1}', '{"b":1,"c":2}', '{"ab":2}'], ['{"a":"'], ['{"a":1}', '{"b":"s"}', '{"b":1,"a":"x"}', '{"\\u0061":1}']],
  [{ type: "array", items: { type: "integer" }, minItems: 1, maxItems: 3 }, ["[1]", "[1,2,3]", "[\n\t1, 2 ]"], ["[", "[1,"], ["[]", "[1,2,3,4]", "[1 2]"]],
  [{ type: "array", prefixItems: [{ type: "integer" }, { type: "string" }] }, ['[1,"a"]'], ["[1,"], ["[1]", '[1,"a",2]']],
  [{ type: "array", maxItems: 0 }, ["[]"], ["["], ["[1]"]],
  [{ type: "object" }, ['{"a":[1,{"b":null}]}', "{}"], ['{"a":[[[['], ["[]", '{"a":1,}', "null"]],
  [{}, ['[1,{"b":null}, "x"]', "1", "true"], ["tru"], ["true,", "[,]"]],
  [{ const: { a: [1, "é"] } }, ['{"a":[1,"é"]}'], ['{"a"'], ['{"a": [1,"é"]}']],
  [{ enum: ["a", 1, null], type: ["string", "null"] }, ['"a"', "null"], ['"'], ["1"]],
  [{ anyOf: [{ required: ["a"] }, { required: ["b"] }], ...object({ a: { type: "null" }, b: { type: "null" } }) }, ['{"a":null}', '{"b":null}', '{"a":null,"b":null}'], ["{"], ["{}"]],
  [{ $defs: { list: { type: "array", items: { $ref: "#/$defs/list" } } }, $ref: "#/$defs/list" }, ["[]", "[[],[[]]]"], ["[["], ["[1]"]],
  [{ allOf: [{ $ref: "#/$defs/base" }, { properties: { b: { type: "null" } }, required: ["b"] }], $defs: { base: { type: "object", properties: { a: { type: "null" } }, required: ["a"] } } }, ['{"a":null,"b":null}'], ['{"a":null'], ['{"a":null}', '{"b":null}']],
]; // prettier-ignore

for (const [schema, whole, begun, wrong] of TEXTS) {
  test(`schema ${JSON.stringify(schema).slice(0, 80)}`, () => {
    const grammar = schemaGrammar(schema, "schema");
    for (const text of whole) assert.is(read(grammar, text), "whole", text);
    for (const text of begun) assert.is(read(grammar, text), "begun", text);
    for (const text of wrong) assert.is(read(grammar, text), "wrong", text);
  });
}

test("what a schema says that texts cannot be held to is refused by its place", () => {
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ not: {} }, /^schema: got the keyword "not", need/],
    [object({ a: { items: { patternProperties: {} } } }), /^schema\.properties\.a\.items: got the keyword "patternProperties"/],
    [{ type: "text" }, /^schema\.type: got "text", need one or several of null, boolean/],
    [{ type: "array", uniqueItems: true }, /^schema\.uniqueItems: got true/],
    [{ type: "number", multipleOf: 0.1 }, /^schema\.multipleOf: got 0\.1, need a whole number/],
    [{ type: "string", format: "iri" }, /^schema\.format: got "iri", need one of date/],
    [{ type: "string", pattern: "(a" }, /^schema\.pattern: got a group that does not end/],
    [{ type: "string", pattern: "a$b" }, /^schema\.pattern: got \$ inside of it/],
    [{ type: "string", pattern: "(a)\\1" }, /^schema\.pattern: got /],
    [{ type: "string", pattern: "^(a|b)*a(a|b){30}$" }, /^schema\.pattern: got one of more than 8192 states/],
    [{ type: "string", pattern: "((a{1,900}){1,900}){1,900}" }, /^schema\.pattern: got one of more than 50000 places/],
    [{ $ref: "https://example.org/a" }, /^schema\.\$ref: got "https:/],
    [{ $ref: "#/$defs/a", $defs: {} }, /^schema\.\$ref: got "#\/\$defs\/a", need a place that is there/],
    [{ oneOf: [{ type: "string" }, { type: "string", maxLength: 2 }] }, /^schema\.oneOf: got 0 and 1, which/],
    [{ allOf: [{ pattern: "a" }, { pattern: "b" }] }, /^schema: got pattern twice/],
    [{ allOf: [object({ a: {} }), { properties: { b: {} } }] }, /^schema: got additionalProperties false beside the property "b"/],
    [object({ a: {} }, { minProperties: 2 }), /^schema\.minProperties: got 2/],
    [{ enum: [] }, /^schema\.enum: got/],
  ]; // prettier-ignore
  for (const [schema, message] of refused) {
    assert.throws(() => schemaGrammar(schema, "schema"), (error: Error) => error instanceof OptionError && message.test(error.message), JSON.stringify(schema)); // prettier-ignore
  }
  let deep: object = {};
  for (let i = 0; i < 100; i++) deep = { type: "array", items: deep };
  assert.throws(() => schemaGrammar(deep, "schema"), /nested more than 64 deep/);
});

test("schemas that nothing satisfies, and rules that begin with themselves, are refused", () => {
  const defs = { $defs: { a: object({ next: { $ref: "#/$defs/a" } }, { required: ["next"] }) }, $ref: "#/$defs/a" };
  for (const schema of [
    { type: "integer", minimum: 2, maximum: 1 },
    { $ref: "#" },
    defs,
    { type: "string", pattern: "^a$", minLength: 2 },
  ])
    assert.throws(() => recognizerOf(schemaGrammar(schema, "schema"), "schema"), /^schema: got one that no text follows/);
  const left = gbnfGrammar('root ::= b "x" | "y"\nb ::= "z"* root', "grammar");
  assert.throws(() => recognizerOf(left), /rule root: got one that begins with itself/);
});

test("GBNF: texts, classes, groups, repetitions, comments, rules over lines", () => {
  const list = gbnfGrammar('root ::= item ("," item)* # a list\nitem ::= [a-z]+ | "<" root ">"\n   | "x\\n"{2,3}\n', "grammar");
  for (const text of ["abc", "abc,<d,<e>>", "x\nx\n", "x\nx\nx\n"]) assert.is(read(list, text), "whole", JSON.stringify(text));
  for (const text of ["A", "a,,", "x\nx\nx\nx"]) assert.is(read(list, text), "wrong", JSON.stringify(text));
  const other = gbnfGrammar('root ::= ("a" | "é"\n  [^a-c\\]\\x30]? ) . {0,1}', "grammar");
  for (const text of ["a", "é", "éd", "éd日", "a日"]) assert.is(read(other, text), "whole", text);
  for (const text of ["b", "a日日", "éd日d"]) assert.is(read(other, text), "wrong", text);
  assert.is(read(gbnfGrammar('root ::= "a" {2}', "grammar"), "aa"), "whole");
});

test("GBNF that is malformed is refused with its line", () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ["", /^grammar: got no rule root/],
    ["root ::= a", /^grammar: got no rule a/],
    ['root ::= "a\nb ::= "c"', /^grammar: line 1: got "\\nb/],
    ['root ::= "a"\nroot ::= "b"', /^grammar: line 2: .* need one rule root/],
    ["root = [a]", /^grammar: line 1: .* need ::=/],
    ["root ::= [z-a]", /need a range that does not go down/],
    ["root ::= (a", /need \)/],
    ['root ::= "a"{3,2}', /need at most 2000 repetitions/],
    ['root ::= "a"{9999}', /need at most 2000 repetitions/],
    [`root ::= ${"(".repeat(60)}`, /groups nested at most 50 deep/],
  ];
  for (const [source, message] of refused) assert.throws(() => gbnfGrammar(source, "grammar"), message);
});

test("text up to a mark holds the first one only", () => {
  const grammar = sequenceOf(upTo("</think>"), textOf("x"));
  for (const text of ["</think>x", "a < b é </thin</think>x", "<<</think>x"]) assert.is(read(grammar, text), "whole", text);
  assert.is(read(grammar, "a</think>y"), "wrong");
  assert.is(read(grammar, "</think></think>x"), "wrong");
});

const { tokenizerJson, tokenizerConfig } = tinyTokenizer(320);
const tokenizer = new Tokenizer({ tokenizerJson, tokenizerConfig }, "tiny");

/** Ids that `apply` leaves of all. */
function allowed(constraint: TokenConstraint, generated: readonly number[], size = 330): number[] {
  const logits = new Float32Array(size);
  constraint.apply(logits, generated);
  return Array.from(logits.keys()).filter((id) => logits[id] === 0);
}

test("masks hold exactly the tokens whose bytes may come, along random texts", () => {
  const random = mulberry32(SEED);
  let looked = 0;
  for (const schema of Object.values(SCHEMAS)) {
    const constraint = new TokenConstraint(schemaGrammar(schema, "schema"), tokenizer, [TINY_EOS]);
    const generated: number[] = [];
    for (let step = 0; step < 40 && !constraint.isOver(generated); step++) {
      const ids = allowed(constraint, generated);
      const each = Array.from({ length: 320 }, (_, id) => id).filter((id) => constraint.allows(id, generated));
      assert.equal(ids, each, tokenizer.decode(generated));
      looked++;
      const texts = ids.filter((id) => id !== TINY_EOS);
      generated.push(texts[Math.floor(random() * texts.length)]!);
    }
  }
  assert.ok(looked > 300, `${looked}`);
});

test("an end token may come where the text may end, special tokens where the grammar asks for one", () => {
  const digits = new TokenConstraint(gbnfGrammar("root ::= [0-9]+", "grammar"), tokenizer, [TINY_EOS]);
  const one = tokenizer.tokenToId("1")!;
  assert.not(allowed(digits, []).includes(TINY_EOS));
  assert.ok(allowed(digits, [one]).includes(TINY_EOS));
  assert.not(digits.isOver([one]));
  const marked = new TokenConstraint(sequenceOf(specialToken("<|im_start|>"), textOf("1")), tokenizer, [TINY_EOS]);
  assert.equal(allowed(marked, []), [1]);
  assert.equal(allowed(marked, [1]), [one]);
  assert.ok(marked.isOver([1, one]));
  // Back again, as after drafts that were given up.
  assert.equal(allowed(marked, []), [1]);
});

test("a vocabulary without a token that goes on is refused", () => {
  const poor = {
    vocabSize: 3,
    specialIds: new Set<number>(),
    idToToken: String,
    readBytes: (id: number) => Uint8Array.of(97 + id),
  };
  const constraint = new TokenConstraint(gbnfGrammar('root ::= "a" [x-z]', "grammar"), poor, [2]);
  assert.equal(allowed(constraint, [], 3), [0]);
  assert.throws(() => constraint.apply(new Float32Array(3), [0]), (error: unknown) => error instanceof UnsupportedModelError); // prettier-ignore
});

test("work for one token is bounded", () => {
  const grammar = gbnfGrammar('root ::= ((("a"|"aa"|"aaa"){0,1900} "b"?){0,1900} "c"?){0,1900}', "grammar");
  const a = tokenizer.tokenToId("a")!;
  const generated: number[] = [];
  assert.throws(() => {
    const constraint = new TokenConstraint(grammar, tokenizer, [TINY_EOS]);
    for (let i = 0; i < 2000; i++) {
      constraint.apply(new Float32Array(320), generated);
      generated.push(a);
    }
  }, /^grammar: got one that (reads a text in more than 1000 ways|goes on in|takes more than)/); // prettier-ignore
});

test.run();
