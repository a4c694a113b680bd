/**
 * The command line as a process of its own: exit codes, streams, signals. Everything that needs no process is
 * tested without one.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyModel } from "../tiny-model.ts";

const SEED = 29;
const test = suite(`process (seed ${SEED})`);
const root = fileURLToPath(new URL("../..", import.meta.url));

const fptq = (...words: string[]) => fptqIn([], ...words);

/** @param node options for Node itself */
function fptqIn(node: string[], ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", ...node, "src/cli/main.ts", ...words], {
    cwd: root,
    encoding: "utf8",
  });
  return { code: status, stdout, stderr };
}

test("--version is the package's, on stdout", () => {
  const { version } = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as { version: string };
  assert.equal(fptq("--version"), { code: 0, stdout: `${version}\n`, stderr: "" });
});

test("an older Node is told so, in one line", () => {
  const older = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.18.9' } })";
  assert.equal(fptqIn(["--import", `data:text/javascript,${older}`], "--version"), {
    code: 1,
    stdout: "",
    stderr: "error: Node: got 20.18.9, need 20.19 or newer: https://nodejs.org\n",
  });
});

test("output that cannot be written is one line and exit 1", () => {
  if (process.platform !== "linux") return;
  const full = openSync("/dev/full", "w");
  const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", "--version"], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", full, "pipe"],
  });
  closeSync(full);
  assert.is(stderr, "error: output: cannot be written: ENOSPC: no space left on device, write\n");
  assert.is(status, 1);
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
  assert.match(stderr, /^error: no\/such\/model: got nothing, need a file or folder.*\n$/);
});

test("a process without SharedArrayBuffer runs one thread and says so once, unless one was asked for", () => {
  const model = mkdtempSync(join(tmpdir(), "fptq-process-"));
  try {
    for (const [name, { bytes }] of tinyModel(SEED).files) writeFileSync(join(model, name), bytes);
    const without = ["--import", "data:text/javascript,delete globalThis.SharedArrayBuffer"];
    const bench = (threads: string) =>
      fptqIn(without, "bench", "-m", model, "-p", "4", "-n", "0", "-r", "1", "-o", "json", "-t", threads);
    for (const [threads, warning] of [
      ["1", /^$/],
      ["2", /^warning: threads: 2 asked for, one is used: this process has no SharedArrayBuffer[^\n]*\n$/],
    ] as const) {
      const { code, stdout, stderr } = bench(threads);
      assert.is(code, 0, stderr);
      assert.match(stderr, warning);
      assert.equal(
        (JSON.parse(stdout) as { n_threads: number }[]).map((row) => row.n_threads),
        [1],
      );
    }
  } finally {
    rmSync(model, { recursive: true, force: true });
  }
});

const start = (...words: string[]) =>
  spawnSync(process.execPath, ["scripts/start.mjs", ...words], { cwd: root, encoding: "utf8" });

test("npm start answers with the model of this repository", () => {
  const { status, stdout, stderr } = start("-p", "The capital of France is", "-n", "4", "--temp", "0", "-t", "1");
  assert.is(status, 0, stderr);
  assert.match(stdout, /^The capital of France is Paris/);
});

test("npm start with a model that is missing, or a calibration for one that is quantized, says so", () => {
  const missing = start("no/such/model.gguf");
  assert.is(missing.status, 1);
  assert.is(missing.stderr, "no/such/model.gguf: no such file or folder\n");
  const calibrated = start("--calibration", "text");
  assert.is(calibrated.status, 2);
  assert.match(
    calibrated.stderr,
    /^--calibration: the model in this repository is quantized already\n\nusage: npm start -- \[FILE/,
  );
  assert.is(start("--help").status, 0);
});

test.run();
