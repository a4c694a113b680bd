/** Texts of a model that draws whatever it is let: what holds for these holds for those of one that knows. */
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../../src/core.ts";
import { OptionError } from "../../../src/errors.ts";
import { nodeHost } from "../../../src/host/node.ts";
import type { GenerateOptions } from "../../../src/decoding/generation-options.ts";
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

test.run();
void OptionError;
