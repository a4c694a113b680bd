/** FunctionGemma's calls by schemas: texts drawn of a grammar are read as values of its schema. */
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Grammar } from "../../../src/decoding/grammar/grammar.ts";
import { type Position, recognizerOf } from "../../../src/decoding/grammar/recognizer.ts";
import { jsonSchemaGrammar } from "../../../src/decoding/grammar/response-format.ts";
import { gemmaGrammars } from "../../../src/decoding/tool-calls/call-grammars.ts";
import { gemmaCalls } from "../../../src/decoding/tool-calls/gemma-calls.ts";
import { GEMMA_NOTATION } from "../../../src/decoding/tool-calls/gemma-notation.ts";
import type { JsonObject } from "../../../src/json-object.ts";
import { mulberry32 } from "../../random.ts";
import { SCHEMAS } from "../grammar/schemas.ts";

const SEED = 29;
const test = suite(`FunctionGemma's calls by schemas (seed ${SEED})`);
const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
const DRAWN = 10;
const MOST_BYTES = 3000;

const callsOf = (parameters: JsonObject): Grammar =>
  gemmaGrammars.forced([{ name: "f", arguments: jsonSchemaGrammar(parameters, "schema", GEMMA_NOTATION) }], false);

const read = (text: string) => {
  const [open, close] = [gemmaCalls.open, gemmaCalls.close as string];
  assert.ok(text.startsWith(open) && text.endsWith(close) && text.indexOf(close) === text.length - close.length, text);
  const calls = gemmaCalls.read!(text.slice(open.length, -close.length));
  assert.is(calls?.length, 1, text);
  return JSON.parse(calls![0]!.arguments) as JsonObject;
};

/** A text of a grammar; undefined for one that did not end. Bytes that end something are drawn more often. */
function drawn(grammar: Grammar, random: () => number): string | undefined {
  const recognizer = recognizerOf(grammar);
  const ending = new Set(new TextEncoder().encode("<>}]"));
  const bytes: number[] = [];
  for (let position: Position = recognizer.start; position.goesOn && bytes.length < MOST_BYTES;) {
    const next = Array.from({ length: 0xff }, (_, byte) => byte).filter((byte) => recognizer.after(position, byte));
    const last = random() < 0.2 ? next.filter((byte) => ending.has(byte)) : [];
    const from = last.length > 0 ? last : next;
    const byte = from[Math.floor(random() * from.length)]!;
    bytes.push(byte);
    position = recognizer.after(position, byte)!;
    if (position.isEnd) return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
  }
  return undefined;
}

let whole = 0;
for (const [name, schema] of Object.entries(SCHEMAS)) {
  test(`${name}: what is written is what the schema holds for`, () => {
    const parameters = { type: "object", properties: { value: schema }, required: ["value"], additionalProperties: false };
    // References are to places of the whole.
    const { $defs, ...rest } = schema;
    const own = $defs ? { ...parameters, properties: { value: rest }, $defs } : parameters;
    const validate = ajv.compile(own);
    const grammar = callsOf(own);
    const random = mulberry32(SEED);
    for (let i = 0; i < DRAWN; i++) {
      const text = drawn(grammar, random);
      if (text === undefined) continue;
      whole++;
      const given = read(text);
      assert.ok(validate(given), `${text}: ${ajv.errorsText(validate.errors)}`);
    }
  });
}

test("most of them came to their end", () => assert.ok(whole > 150, `${whole}`));

const accepts = (grammar: Grammar, text: string): boolean => {
  const recognizer = recognizerOf(grammar);
  let position: Position | null = recognizer.start;
  for (const byte of new TextEncoder().encode(text)) position &&= recognizer.after(position, byte);
  return position?.isEnd === true;
};
const call = (inner: string) => `<start_function_call>call:f${inner}<end_function_call>`;

test("the words of its template: names bare and in order, texts between marks, numbers and words as they are", () => {
  const grammar = callsOf({
    type: "object",
    properties: {
      where: { type: "object", properties: { lat: { type: "number" } }, required: ["lat"] },
      city: { type: "string" },
      days: { type: "integer", maximum: 7 },
      tags: { type: "array", items: { type: "string", maxLength: 600 } },
      exact: { type: "boolean" },
    },
    required: ["city", "where"],
  });
  const right = ["{city:<escape>Łódź \"x\", {y}<b>&</b> <<escape>,days:-3,exact:true,tags:[<escape>a<escape>,<escape><escape>],where:{lat:-1.5}}", "{city:<escape><escape>,where:{lat:0}}"]; // prettier-ignore
  for (const inner of right) {
    assert.ok(accepts(grammar, call(inner)), inner);
    read(call(inner));
  }
  for (const inner of ["{}", "{city:Paris,where:{lat:0}}", "{where:{lat:0},city:<escape>a<escape>}", "{city:<escape>a<end_function_call><escape>,where:{lat:0}}", "{city:<escape>a<escape>,days:8,where:{lat:0}}", "{city:<escape>a<escape>, where:{lat:0}}"])
    assert.not(accepts(grammar, call(inner)), inner); // prettier-ignore
  assert.not(accepts(grammar, "call:f{}"));
});

test("names that cannot stand bare are escaped", () => {
  const grammar = callsOf({ type: "object", properties: { "a:b": { const: 1 }, "": { const: null } }, required: ["a:b", ""] });
  const text = call("{<escape><escape>:null,<escape>a:b<escape>:1}");
  assert.ok(accepts(grammar, text));
  assert.equal(read(text), { "": null, "a:b": 1 });
});

test.run();
