/** The programs of `examples/node/`, each run as its own process over the built package and a tiny model. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyModel } from "../tiny-model.ts";

const SEED = 31;
const test = suite(`examples/node (seed ${SEED})`);
const folder = fileURLToPath(new URL("../../examples/node/", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "fptq-examples-"));
const model = join(work, "tiny");

test.before(() => {
  mkdirSync(model);
  for (const [name, { bytes }] of tinyModel(SEED, { config: { contextLength: 2048 } }).files)
    writeFileSync(join(model, name), bytes);
});
test.after(() => rmSync(work, { recursive: true }));

function run(program: string, words: string[], input = "") {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, program), ...words], { encoding: "utf8", input });
  assert.is(status, 0, stderr);
  return { stdout, stderr };
}

test("generate goes on with a text, the same one twice, and says how fast", () => {
  const first = run("generate.mjs", [model, "abc"]);
  assert.ok(first.stdout.length > 0);
  assert.match(first.stderr, /^\n\d+ tokens\/s\n$/);
  assert.is(run("generate.mjs", [model, "abc"]).stdout, first.stdout);
});

test("chat answers each line and ends at an empty one", () => {
  const { stdout } = run("chat.mjs", [model], "abc\ndef\n\n");
  assert.ok(stdout.split("\n").length >= 3, stdout);
});

test("json gives an object of its schema, of a model that knows no JSON", () => {
  assert.match(run("json.mjs", [model, "abc"]).stdout, /^\{\s*name: ['"`][^]*,\s*age: \d+\s*\}\n$/);
});

test("tools calls the function with arguments of its schema, and answers", () => {
  const calling = join(work, "calling");
  mkdirSync(calling);
  const { files } = tinyModel(SEED, { config: { contextLength: 2048 } });
  const config = JSON.parse(new TextDecoder().decode(files.get("tokenizer_config.json")!.bytes)) as { chat_template: string };
  config.chat_template = `{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}${config.chat_template}`;
  for (const [name, { bytes }] of files) writeFileSync(join(calling, name), bytes);
  writeFileSync(join(calling, "tokenizer_config.json"), JSON.stringify(config));
  assert.match(run("tools.mjs", [calling, "abc"]).stdout, /^weather\(\{"city":"(?:[^"\\]|\\.)*"\}\)\n/);
});

test("embed puts the text that is the query first", () => {
  const lines = run("embed.mjs", [model, "abc", "xyzzy", "abc"]).stdout.trimEnd().split("\n");
  assert.is(lines.length, 2);
  assert.is(lines[0], "1.000 abc");
});

test("quantize writes a folder that generate takes", () => {
  const output = join(work, "w4a8");
  assert.match(run("quantize.mjs", [model, output]).stdout, /w4a8: \d+\.\d\d bits per weight/);
  assert.ok(existsSync(join(output, "config.json")));
  assert.ok(run("generate.mjs", [output, "abc"]).stdout.length > 0);
});

test("server answers completions", async () => {
  const child = spawn(process.execPath, [join(folder, "server.mjs"), model, "0"], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const origin = await new Promise<string>((resolve, reject) => {
      child.stdout.once("data", (line: Buffer) => resolve(line.toString().trim()));
      child.once("exit", (code) => reject(new Error(`server.mjs ended with ${code}`)));
    });
    const response = await fetch(`${origin}/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "model", prompt: "abc", max_tokens: 4 }),
    });
    const { usage } = (await response.json()) as { usage: { completion_tokens: number } };
    assert.is(response.status, 200);
    assert.ok(usage.completion_tokens > 0 && usage.completion_tokens <= 4);
  } finally {
    child.kill();
  }
});

test.run();
