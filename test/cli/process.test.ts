/** The command line as a process of its own: exit codes, streams, signals. Everything that needs no process is tested without one. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("process");
const root = fileURLToPath(new URL("../..", import.meta.url));

function fptq(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...words], {
    cwd: root,
    encoding: "utf8",
  });
  return { code: status, stdout, stderr };
}

test("--version is the package's, on stdout", () => {
  const { version } = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as { version: string };
  assert.equal(fptq("--version"), { code: 0, stdout: `${version}\n`, stderr: "" });
});

test("an unknown option is exit 2 with a suggestion on stderr", () => {
  const { code, stdout, stderr } = fptq("run", "-m", "m", "-p", "x", "--tmep", "0");
  assert.is(code, 2);
  assert.is(stdout, "");
  assert.match(stderr, /unknown option '--tmep'\n\(Did you mean --temp\?\)/);
});

test("a missing model is exit 1 with one line on stderr", () => {
  const { code, stdout, stderr } = fptq("inspect", "no/such/model");
  assert.is(code, 1);
  assert.is(stdout, "");
  assert.match(stderr, /^error: no\/such\/model: no such file or folder.*\n$/);
});

test("npm start without a file, or with one that is missing, says so", () => {
  const start = (...words: string[]) =>
    spawnSync(process.execPath, ["scripts/start.mjs", ...words], { cwd: root, encoding: "utf8" });
  const none = start();
  assert.is(none.status, 2);
  assert.match(none.stderr, /no model given\n\nusage: npm start -- FILE/);
  const missing = start("no/such/model.gguf");
  assert.is(missing.status, 1);
  assert.is(missing.stderr, "no/such/model.gguf: no such file or folder\n");
});

test.run();
