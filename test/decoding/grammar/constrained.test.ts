/** Texts of a model that draws whatever it is let: what holds for these holds for those of one that knows. */
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../../src/core.ts";
import { OptionError } from "../../../src/errors.ts";
import { nodeHost } from "../../../src/host/node.ts";
import type { GenerateOptions, GenerationResult } from "../../../src/decoding/generation-options.ts";
import { tinyModel } from "../../tiny-model.ts";
import { SCHEMAS } from "./schemas.ts";

const SEED = 4711;
const test = suite(`constrained texts (seed ${SEED})`);
const ANSWERS = 10;
const model = await loadModel({ kind: "folder", folder: tinyModel(SEED) }, nodeHost, {
  threads: 1,
  contextSize: 256,
  cacheTokens: 4096,
});
test.after(() => model.dispose());

const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);

const formOf = (schema: object): GenerateOptions => ({
  responseFormat: {
    type: "json_schema",
    json_schema: { name: "answer", strict: true, schema: schema as Record<string, unknown> },
  },
});
const run = (options: GenerateOptions) =>
  model.generate("the cat", { maxTokens: 200, temperature: 1.5, topK: 0, topP: 1, minP: 0, ...options }).result;

let whole = 0;
for (const [name, schema] of Object.entries(SCHEMAS)) {
  test(`${name}: every answer is JSON that the schema holds for, or was cut`, async () => {
    const validate = ajv.compile(schema);
    const answers = await Promise.all(Array.from({ length: ANSWERS }, (_, i) => run({ ...formOf(schema), seed: SEED + i })));
    for (const { text, stop } of answers) {
      if (stop === "length") continue;
      assert.is(stop, "eos", text);
      whole++;
      assert.ok(validate(JSON.parse(text)), `${text}: ${ajv.errorsText(validate.errors)}`);
    }
  });
}

test("most of them came to their end", () => {
  console.log(`\nfigure: ${whole} of ${ANSWERS * Object.keys(SCHEMAS).length} answers whole and valid, the others cut`);
  assert.is(Object.keys(SCHEMAS).length, 20);
  assert.ok(whole > 120, `${whole}`);
});

const FORM = formOf(SCHEMAS["lengths"]!);
const LIST = formOf({ type: "array", items: { enum: ["the cat sat", "the dog ran"] }, minItems: 6, maxItems: 8 });
const facts = ({ text, tokens, stop, seed }: GenerationResult) => ({ text, tokens, stop, seed });

test("drafts change nothing", async () => {
  const usual = model.draftPolicy;
  model.draftPolicy = () => ({ length: (chances) => chances.length, passed() {} });
  let accepted = 0;
  for (const options of [
    { ...LIST, temperature: 0 },
    { ...LIST, seed: 1 },
    { ...FORM, seed: 2 },
    { ...FORM, temperature: 0 },
  ]) {
    const [drafted, plain] = [await run({ ...options, draftMax: 8 }), await run({ ...options, draftMax: 0 })];
    assert.equal(facts(drafted), facts(plain));
    accepted += drafted.drafts.accepted;
  }
  model.draftPolicy = usual;
  assert.ok(accepted > 0);
});

test("texts that run together are those of texts alone, constrained or not", async () => {
  const cases: GenerateOptions[] = [
    { ...FORM, seed: 1 },
    { seed: 2, maxTokens: 20 },
    { ...LIST, seed: 3 },
    { ...FORM, seed: 4 },
  ];
  const together = await Promise.all(cases.map(run));
  for (const [i, options] of cases.entries()) assert.equal(facts(together[i]!), facts(await run(options)));
});

test("pieces are the text, and log-probabilities those of the model", async () => {
  const generation = model.generate("the cat", { ...FORM, seed: 6, temperature: 1.5, logprobs: 1, maxTokens: 200 });
  let text = "";
  for await (const piece of generation) text += piece;
  const result = await generation.result;
  assert.is(text, result.text);
  assert.is(result.logprobs!.length, result.tokens.length);
  assert.ok(result.logprobs!.some(({ logprob, top }) => logprob < top[0]!.logprob));
});

test("a grammar in GBNF; stop strings cut it as any text", async () => {
  const grammar = 'root ::= "ab" [0-9]{3} "cd"';
  assert.match((await run({ grammar, seed: 1 })).text, /^ab\d{3}cd$/);
  const cut = await run({ grammar, seed: 1, stop: ["b"] });
  assert.equal([cut.text, cut.stop], ["a", "stop"]);
});

test("what cannot be is refused at once", () => {
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ responseFormat: { type: "xml" } }, /^responseFormat\.type: got "xml", need/],
    [{ responseFormat: "json" }, /^responseFormat: got "json", need an object/],
    [{ responseFormat: { type: "json_schema" } }, /^responseFormat\.json_schema\.schema: got nothing/],
    [formOf({ not: {} }), /^responseFormat\.json_schema\.schema: got the keyword "not"/],
    [{ ...formOf({}), grammar: 'root ::= "a"' }, /^grammar: got one beside a responseFormat/],
    [{ ...formOf({}), ignoreEos: true }, /^ignoreEos: got true beside/],
    [{ grammar: 3 }, /^grammar: got 3, need a text in GBNF/],
  ];
  for (const [options, message] of refused)
    assert.throws(() => model.generate("a", options), (error: Error) => error instanceof OptionError && message.test(error.message)); // prettier-ignore
});

test.run();
