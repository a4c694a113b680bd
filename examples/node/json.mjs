/** What a text says, as JSON of a schema: node json.mjs MODEL [TEXT] */
import { loadModel } from "fptq";

const [source = "hf:HuggingFaceTB/SmolLM2-135M-Instruct", text = "Anna is 31 and lives in Bern."] = process.argv.slice(2);
const schema = {
  type: "object",
  properties: { name: { type: "string", maxLength: 40 }, age: { type: "integer", minimum: 0, maximum: 150 } },
  required: ["name", "age"],
};
const model = await loadModel(source);
const responseFormat = { type: "json_schema", json_schema: { schema } };
const answer = await model.generate(`Text: ${text}\nJSON with the person's name and age: `, {
  responseFormat,
  maxTokens: 128,
  temperature: 0,
}).result;
console.log(JSON.parse(answer.text));
await model.dispose();
