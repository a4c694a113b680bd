/**
 * What others see of the package: packed as it is published, checked by publint and arethetypeswrong, bundled
 * by each bundler, and the bundles run. Needs `npm run build` before.
 *
 *   npm run test:package
 *
 * A page needs Chromium; where it is missing, pages are bundled and not run, but with FPTQ_REQUIRE_DATA set
 * that is a failure.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pack } from "../../scripts/package/pack.ts";
import { loadModel } from "../../src/index.ts";
import { makeFolders, writeFolders } from "../runtimes/fixtures.ts";
import { NotInstalledError, outputOf } from "../runtimes/launch.ts";
import { CHROMIUM, openPage } from "../runtimes/launch-browser.ts";
import { serve } from "../runtimes/serve.ts";
import { BUNDLERS } from "./bundlers.ts";
import { logitsOf } from "./app/logits.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));
/** Inside the repository: the package's dependencies are found above it. */
const directory = `${root}build/bundlers`;

let passed = 0;
let failed = 0;
let skipped = 0;
async function check(name: string, run: () => Promise<string | void>): Promise<void> {
  try {
    const note = await run();
    passed++;
    console.log(`ok   ${name}${note ? `  ${note}` : ""}`);
  } catch (error) {
    if (error instanceof NotInstalledError && process.env["FPTQ_REQUIRE_DATA"] === undefined) {
      skipped++;
      console.log(`skip: ${name}: ${error.message}`);
      return;
    }
    failed++;
    console.log(`FAIL ${name}\n     ${(error instanceof Error ? error.message : String(error)).replaceAll("\n", "\n     ")}`);
  }
}

function equal(found: unknown, needed: unknown): void {
  const [got, need] = [JSON.stringify(found), JSON.stringify(needed)];
  if (got !== need) throw new Error(`got ${got}, need ${need}`);
}

/** The package as a file, and unpacked where `app` finds it. */
function packAndUnpack(): string {
  const { file: packed } = pack(directory);
  const unpacked = `${directory}/node_modules/fptq`;
  mkdirSync(unpacked, { recursive: true });
  const tar = spawnSync("tar", ["-xzf", packed, "-C", unpacked, "--strip-components=1"], { encoding: "utf8" });
  if (tar.status !== 0) throw new Error(tar.stderr);
  return packed;
}

rmSync(directory, { recursive: true, force: true });
mkdirSync(directory, { recursive: true });
const file = packAndUnpack();
const bin = (name: string) => `${here}node_modules/.bin/${name}`;

await check("publint", async () => {
  await outputOf(bin("publint"), ["run", file, "--strict"]);
});
await check("arethetypeswrong", async () => {
  // The package is ESM only, which CommonJS imports as what it is; a script and .wasm files have no types.
  const entries = ["--exclude-entrypoints", "./worker", "./wasm/*", "--profile", "esm-only"];
  await outputOf(bin("attw"), [file, "--format", "ascii", "--no-color", ...entries]);
});

writeFolders(await makeFolders(), directory);
const { hash } = await logitsOf(await loadModel(`${directory}/w4a8`));
const app = `${directory}/app`;
cpSync(`${here}app`, app, { recursive: true });
const dist = `${directory}/node_modules/fptq/dist`;
const server = await serve(directory, { isolated: false, countWorkers: () => 0 });
for (const { name, bundlePage, bundleProgram } of BUNDLERS) {
  const out = `${directory}/${name}-page`;
  await check(`${name}: a page with two threads`, async () => {
    await bundlePage(app, out, dist);
    symlinkSync(`${directory}/w4a8`, `${out}/w4a8`);
    const { outcome } = await openPage(CHROMIUM, out, "", true);
    const { result: { build, ...result } } = outcome as { result: { build: string } }; // prettier-ignore
    equal({ ...result, relaxed: build.startsWith("relaxed") }, { threads: 2, hash, relaxed: true });
    return `Chromium; ${readdirSync(out, { recursive: true }).filter((path) => /\.(js|wasm)$/.test(String(path))).length} files`;
  });
  await check(`${name}: a program with the kernels in its text`, async () => {
    const program = await bundleProgram(app, `${directory}/${name}-program`);
    const result = JSON.parse(await outputOf(process.execPath, [program, `${server.origin}/w4a8/`])) as {
      threads: number;
      hash: string;
    };
    equal([result.threads, result.hash], [1, hash]);
  });
}
server.close();
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
