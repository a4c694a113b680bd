/**
 * Runs the test suite with uvu, one process per file so that a large model's memory is returned, as many at a
 * time as there are cores, and ends with a line that counts.
 *
 *   tsx scripts/test.ts [PATTERN ...] [--jobs N] [--node FILE] [--checks] [--changed]
 *
 * Only files whose path contains a PATTERN. --checks runs type-check, lint and format check beside the
 * tests, as one job of them. --changed takes test files that differ from `main`, or whose folder mirrors that
 * of a source that does.
 * --node runs them in another Node, which must have relaxed SIMD: what needs it is then no longer skipped.
 */
import { execFile, execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values, positionals: patterns } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: "string" },
    jobs: { type: "string" },
    checks: { type: "boolean", default: false },
    changed: { type: "boolean", default: false },
  },
});
const jobs = Number(values.jobs ?? availableParallelism());
if (!(Number.isInteger(jobs) && jobs > 0)) throw new Error(`--jobs: got ${values.jobs}, need a number from 1`);

const changed = values.changed ? changedFiles() : [];

/** Paths that differ from where this branch left `main`, and those that git does not know yet. */
function changedFiles(): string[] {
  const git = (...words: string[]) => execFileSync("git", words, { cwd: root, encoding: "utf8" }).trim();
  const differing = git("diff", "--name-only", git("merge-base", "main", "HEAD"));
  return `${differing}\n${git("ls-files", "--others", "--exclude-standard")}`.split("\n").filter((path) => path !== "");
}

/** Whether a test file changed, or a file of the folder in `src/` or `assembly/` that its own mirrors. */
function isTouched(file: string): boolean {
  const mirrored = dirname(file).replace(/^test\/?/, "");
  return changed.some(
    (path) => path === file || (mirrored !== "" && dirname(path).replace(/^(src|assembly)\//, "") === mirrored),
  );
}

const files = readdirSync(`${root}/test`, { recursive: true, encoding: "utf8" })
  .map((file) => `test/${file.replaceAll("\\", "/")}`)
  .filter((file) => file.endsWith(".test.ts") && !file.includes("node_modules") && !file.startsWith("test/runtimes/"))
  .filter((file) => !values.changed || isTouched(file))
  .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)))
  .toSorted();

let passed = 0;
let failed = 0;
let skipped = 0;

async function runFile(file: string): Promise<void> {
  const started = performance.now();
  const { stdout, stderr, status } = await outputOf(file);
  const count = (label: string) => Number(new RegExp(`^\\s*${label}:?\\s+(\\d+)`, "m").exec(stdout)?.[1] ?? Number.NaN);
  const [total, ok, off] = [count("Total"), count("Passed"), count("Skipped")];
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const whole = status === 0 && total === ok + off;
  console.log(`${whole ? "ok  " : "FAIL"} ${file}  ${ok || 0} passed${off ? `, ${off} skipped` : ""}  (${seconds} s)`);
  if (!whole) console.log(stdout + stderr);
  else for (const [line] of stdout.matchAll(/^(skip|figure): .*$/gm)) console.log(`     ${line}`);
  passed += ok || 0;
  skipped += off || 0;
  // A file that crashed before its summary counts as one failure; it can never count as none.
  failed += whole ? 0 : Math.max(1, (total || 0) - (ok || 0) - (off || 0));
}

function outputOf(file: string): Promise<{ stdout: string; stderr: string; status: number | null }> {
  const env = { ...process.env, FORCE_COLOR: "0", ...(values.node !== undefined && { FPTQ_TEST_RELAXED: "required" }) };
  return new Promise((resolve) => {
    const child = execFile(
      values.node ?? process.execPath,
      ["--import", "tsx", file],
      { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, env },
      (_error, stdout, stderr) => resolve({ stdout, stderr, status: child.exitCode }),
    );
  });
}

/** A script of `package.json` that is one check: its output is shown if it fails. */
async function runCheck(name: string): Promise<void> {
  const started = performance.now();
  const { ok, text } = await new Promise<{ ok: boolean; text: string }>((resolve) => {
    // npm is a script of the shell's on Windows.
    execFile("npm", ["run", "--silent", name], { cwd: root, maxBuffer: 1 << 28, shell: true }, (error, stdout, stderr) =>
      resolve({ ok: error === null, text: stdout + stderr }),
    );
  });
  console.log(`${ok ? "ok  " : "FAIL"} ${name}  (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  if (!ok) console.log(text);
  if (!ok) failed++;
}

/** Minutes long, over a real model. Begun last, they would be what is waited for in the end. */
const isLong = (file: string) => file.endsWith("/smollm2.test.ts");

const long = files.filter(isLong).values();
const waiting = files.filter((file) => !isLong(file)).values();
await Promise.all(
  Array.from({ length: jobs }, async (_, job) => {
    // With one job the checks come first and what is long last; with more, both begin at once.
    if (values.checks && job === 0) for (const name of ["typecheck", "lint", "format:check"]) await runCheck(name);
    if (job > 0) for (const file of long) await runFile(file);
    for (const file of waiting) await runFile(file);
    for (const file of long) await runFile(file);
  }),
);
if (files.length === 0) console.error(`no test file matches "${patterns.join(" ")}"`);
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 || files.length === 0 || passed === 0 ? 1 : 0;
