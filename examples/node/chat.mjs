/** A conversation in the terminal: node chat.mjs MODEL; an empty line ends it. */
import { createInterface } from "node:readline";
import { loadModel } from "fptq";

const model = await loadModel(process.argv[2] ?? "hf:HuggingFaceTB/SmolLM2-135M-Instruct");
const messages = [];
const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: "> " });
lines.prompt();
for await (const content of lines) {
  if (content === "") break;
  messages.push({ role: "user", content });
  const answer = model.generate(messages, { maxTokens: 256 });
  for await (const text of answer) process.stdout.write(text);
  messages.push({ role: "assistant", content: (await answer.result).text });
  process.stdout.write("\n");
  lines.prompt();
}
await model.dispose();
