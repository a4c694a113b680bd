/**
 * `fptq serve` as a process, over its sockets: what is wrong with a request is told, nothing of it reaches
 * beyond its answer, and the server goes on. How long slow clients may take is tested in
 * test/host/node-http-server.test.ts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyModel } from "../tiny-model.ts";

const test = suite("a server's process");
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fptq-serve-"));
const KEY = "a-key";
/** Runs for ever where somebody says "loop". */
const TEMPLATE = `{% if messages[0].content == "loop" %}{% for i in range(99999) %}{% for k in range(99999) %}{{ i * k }}{% endfor %}{% endfor %}{% endif %}{{ messages[0].content }}`;
let child: ChildProcess;
let port: number;
let log = "";

test.before(async () => {
  const model = join(folder, "tiny");
  for (const path of [model, join(folder, "slots")]) mkdirSync(path);
  for (const [name, { bytes }] of tinyModel(91).files) writeFileSync(join(model, name), bytes);
  writeFileSync(join(model, "chat_template.jinja"), TEMPLATE);
  writeFileSync(join(folder, "keys"), `# who may ask\n${KEY}\n`);
  const words = ["-m", model, "--port", "0", "-t", "1", "-c", "256", "--api-key-file", join(folder, "keys"), "--slot-save-path", join(folder, "slots")]; // prettier-ignore
  child = spawn(process.execPath, ["--import", "tsx", `${root}src/cli/main.ts`, "serve", ...words], {
    stdio: ["ignore", "ignore", "pipe"],
    cwd: root,
  });
  port = await new Promise<number>((resolve, reject) => {
    child.stderr!.on("data", (data) => {
      log += String(data);
      const [, found] = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(log) ?? [];
      if (found !== undefined) resolve(Number(found));
    });
    child.once("exit", (code) => reject(new Error(`ended with code ${code}: ${log}`)));
  });
});
test.after(() => {
  child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Sends bytes as they are, and gives all that comes until the server ends the connection. */
function said(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    let text = "";
    socket.on("data", (data) => (text += data.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

const CHAT = "/v1/chat/completions";
const posted = (path: string, body: string, headers = `Content-Length: ${Buffer.byteLength(body)}\r\n`, key = KEY) =>
  said(`POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n${headers}\r\n${body}`); // prettier-ignore
const chat = (content: string, more: object = {}) =>
  JSON.stringify({ messages: [{ role: "user", content }], max_tokens: 2, ...more });
const form = (schema: object) => ({ response_format: { type: "json_schema", json_schema: { name: "a", schema } } });
const long = "the ".repeat(400);

const refused = [
  ["no JSON", CHAT, "{", 400, /"body: got no JSON/],
  ["a value of another type", CHAT, chat("a", { temperature: "1" }), 400, /"temperature: /],
  ["a value out of its range", CHAT, chat("a", { top_p: 2 }), 400, /"top_p: /],
  ["another model", CHAT, chat("a", { model: "gpt" }), 404, /"model: got \\"gpt\\", need \\"tiny\\"/],
  ["a prompt longer than the context", "/v1/completions", JSON.stringify({ prompt: long }), 400, /got \d{3,} tokens.* 256/],
  ["an unsupported keyword of a schema", CHAT, chat("a", form({ not: {} })), 400, /json_schema\.schema[^"]*: .*not/],
  ["a pattern that explodes", CHAT, chat("a", form({ type: "string", pattern: "^(a|b)*a(a|b){40}$" })), 400, /schema\.pattern/],
  ["a template that loops", CHAT, chat("loop"), 400, /chat template/],
  ["a template that loops, to be shown", "/apply-template", chat("loop"), 400, /chat template/],
  ["a path as the name of a slot's file", "/slots/0?action=save", '{"filename": "../keys"}', 400, /"filename: /],
  ["a path as a slot", "/slots/..%2f..%2fkeys?action=restore", '{"filename": "a"}', 400, /"id_slot: /],
  ["a path out of the pages", "/..%2f..%2fkeys", "{}", 404, /"path: /],
] as const; // prettier-ignore

for (const [what, path, body, status, message] of refused) {
  test(`${what} is refused`, async () => {
    const text = await posted(path, body);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.match(text, message);
  });
}

test("a body over the limit is refused, with its length told or in chunks", async () => {
  assert.match(await posted(CHAT, "", "Content-Length: 4194305\r\n"), /^HTTP\/1\.1 413 /);
  const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
  assert.match(await posted(CHAT, chunk.repeat(65), "Transfer-Encoding: chunked\r\n"), /^HTTP\/1\.1 413 /);
});

test("without a key, or with another, nothing is answered", async () => {
  for (const key of ["", "b-key", `${KEY}x`, KEY.slice(1), "x".repeat(5000)]) {
    assert.match(await posted(CHAT, chat("a"), undefined, key), /^HTTP\/1\.1 401 /);
  }
});

test("floods of headers end the connection", async () => {
  const get = "GET /health HTTP/1.1\r\nHost: a\r\n";
  const many = Array.from({ length: 3000 }, (_, i) => `X-Flood-${i}: 1\r\n`).join("");
  for (const flood of [`X-Long: ${"x".repeat(20_000)}\r\n`, many])
    assert.match(await said(`${get}${flood}\r\n`), /^HTTP\/1\.1 431 /);
});

test("what is no HTTP ends the connection", async () => {
  for (const bytes of [
    "\r\n\r\nhello\r\n\r\n",
    "\u0016\u0003\u0001\u0002\u0000",
    "GET / HTTP/9.9\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
  ]) {
    assert.match(await said(bytes), /^HTTP\/1\.1 400 /);
  }
});

test("headers that pages are kept apart by are on every answer", async () => {
  for (const text of [await posted(CHAT, "{"), await said("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")]) {
    for (const header of [
      "content-security-policy: default-src 'none'",
      "x-content-type-options: nosniff",
      "x-frame-options: ",
      "referrer-policy: no-referrer",
      "cross-origin-resource-policy: same-origin",
    ])
      assert.ok(text.toLowerCase().includes(`\r\n${header}`), `${header}: ${text}`);
    assert.not.match(text, /\r\nx-powered-by/i);
  }
});

test("after all that it answers, has written nothing, and says nothing of failures", async () => {
  assert.match(await posted(CHAT, chat("the")), /^HTTP\/1\.1 200 /);
  assert.equal(readdirSync(join(folder, "slots")), []);
  assert.ok(existsSync(join(folder, "keys")));
  assert.is(child.exitCode, null);
  assert.not.match(log.slice(log.indexOf(`:${port}/`)), /error/i);
});

test.run();
