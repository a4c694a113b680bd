/**
 * Runs one suite in every runtime and compares what it computed with Node, bit for bit. Needs `npm run build` before.
 *
 *   npm run test:runtimes
 *
 * A runtime that is not on this machine is skipped, but with CI set it is a failure.
 */
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundleForServers, bundleForWeb } from "./bundle.ts";
import { makeFolders, SEED, toJson, writeFolders } from "./fixtures.ts";
import { type Launched, type Launcher, NotInstalledError } from "./launch.ts";
import { chromium } from "./launch-chromium.ts";
import { bun, deno, node } from "./launch-command.ts";
import { workerd } from "./launch-workerd.ts";
import type { Check } from "./suite.ts";

/** The first is what the others are compared with. */
const RUNTIMES: readonly (readonly [name: string, launch: Launcher])[] = [
  ["node, core", node("core")],
  ["node, package", node("package")],
  ["deno, core", deno("core")],
  ["deno, package", deno("package")],
  ["bun, core", bun("core")],
  ["bun, package", bun("package")],
  ["workerd", workerd],
  ["chromium", chromium],
];

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Inside the repository, whose ignored folder it shares; in it the package is linked as `npm install` would. */
const directory = `${root}build/runtimes`;

let passed = 0;
let failed = 0;
let skipped = 0;
function count(where: string, { name, ok, detail }: Check): boolean {
  if (ok) passed++;
  else failed++;
  if (!ok) console.log(`FAIL ${where}: ${name}${detail ? `\n     ${detail.replaceAll("\n", "\n     ")}` : ""}`);
  return ok;
}

function sameAsNode({ result }: Launched, { result: needed }: Launched): Check[] {
  return [
    ...(result.quantized === undefined ? [] : [same("tensors the quantizer wrote", result.quantized, needed.quantized)]),
    same("logits of the f32 model", result.logits.f32, needed.logits.f32),
    same("logits of the W4A8 model", result.logits.w4a8, needed.logits.w4a8),
    same("tokens drawn with a seed", [result.tokens, result.text], [needed.tokens, needed.text]),
  ];
}

function same(name: string, found: unknown, needed: unknown): Check {
  const [got, need] = [JSON.stringify(found), JSON.stringify(needed)];
  return { name: `${name} as in Node`, ok: got === need, detail: `got ${got}, need ${need}` };
}

rmSync(directory, { recursive: true, force: true });
mkdirSync(`${directory}/node_modules`, { recursive: true });
symlinkSync(root, `${directory}/node_modules/fptq`, "junction");
const folders = await makeFolders();
writeFolders(folders, directory);
writeFileSync(`${directory}/folders.json`, JSON.stringify(toJson(folders)));
copyFileSync(`${root}dist/wasm/fptq-simd128.wasm`, `${directory}/fptq-simd128.wasm`);
await bundleForServers(directory);
const { imports, bytes } = await bundleForWeb(directory);
count("bundle", { name: "imports nothing but its kernels", ok: imports.every((path) => path === "./fptq-simd128.wasm"), detail: imports.join(", ") }); // prettier-ignore
console.log(`figure: the core, the suite and their dependencies bundle to ${(bytes / 1024).toFixed(0)} KiB, not minified`);

const row = (...cells: readonly string[]) => console.log(cells.map((cell, i) => cell.padEnd([14, 14, 4, 7, 16, 16][i] ?? 0)).join("  ").trimEnd()); // prettier-ignore
console.log(`tiny model of seed ${SEED}; hashes are SHA-256 of the bits of f32[64, V], first 16 digits`);
row("runtime", "version", "simd", "threads", "f32 logits", "W4A8 logits", "ok");

let reference: Launched | undefined;
for (const [name, launch] of RUNTIMES) {
  try {
    const launched = await launch(directory);
    reference ??= launched;
    const { result, version } = launched;
    const checks = [...result.checks, ...(launched === reference ? [] : sameAsNode(launched, reference))];
    const good = checks.map((check) => count(name, check)).filter(Boolean).length;
    const { f32, w4a8 } = result.logits;
    const simd = result.simd ? "yes" : "no";
    row(name, version, simd, String(result.threads), f32.slice(0, 16), w4a8.slice(0, 16), `${good}/${checks.length}`);
  } catch (error) {
    if (error instanceof NotInstalledError && process.env["CI"] === undefined) {
      skipped++;
      console.log(`skip: ${name}: ${error.message}`);
    } else {
      count(name, {
        name: "ran to the end",
        ok: false,
        detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
    // Without something to compare with, nothing below would mean anything.
    if (reference === undefined) break;
  }
}
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
