/** Calls a function, and answers with what it gave: node tools.mjs MODEL [QUESTION] */
import { loadModel } from "fptq";

const [source, content = "How warm is it in Bern?"] = process.argv.slice(2);
const weather = ({ city }) => ({ city, celsius: 21 });
const parameters = { type: "object", properties: { city: { type: "string", maxLength: 40 } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", description: "The weather in a city", parameters } }];
const model = await loadModel(source);
const messages = [{ role: "user", content }];
const { toolCalls } = await model.generate(messages, { tools, toolChoice: "required", parallelToolCalls: false }).result;
for (const { id, name, arguments: given } of toolCalls) {
  console.log(`${name}(${JSON.stringify(given)})`);
  messages.push({ role: "assistant", content: "", tool_calls: [{ id, type: "function", function: { name, arguments: given } }] });
  messages.push({ role: "tool", tool_call_id: id, name, content: JSON.stringify(weather(given)) });
}
for await (const text of model.generate(messages, { tools, toolChoice: "none", maxTokens: 128 })) process.stdout.write(text);
await model.dispose();
