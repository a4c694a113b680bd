/** Goes on with a text: node generate.mjs MODEL [TEXT] */
import { loadModel } from "fptq";

const [source = "hf:HuggingFaceTB/SmolLM2-135M-Instruct", prompt = "The capital of France is"] = process.argv.slice(2);
const model = await loadModel(source);
const generation = model.generate(prompt, { maxTokens: 32, temperature: 0 });
for await (const text of generation) process.stdout.write(text);
const { decode } = await generation.result;
console.error(`\n${decode.tokensPerSecond.toFixed(0)} tokens/s`);
await model.dispose();
