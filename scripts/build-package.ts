/**
 * Builds what the package holds besides the kernels: the entry points as JavaScript that can be read, so that
 * an uncaught error shows a line and not a file, and their declarations.
 *
 *   src/*.ts -> dist/*.js, dist/chunks/*.js (what they share)          declarations -> dist/types/
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { interleave } from "../src/host/interleave.ts";
import { INLINE_FILES } from "../src/kernels/kernel-build.ts";
import { BUNDLED, INSTALLED } from "./bundled-packages.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = `${root}dist`;

const ENTRIES = [
  "index",
  "core",
  "browser",
  "workerd",
  "edge-light",
  "inline",
  "server",
  "ai",
  "cli/main",
  "host/node/node-worker",
  "host/node/node-thread-watcher",
];
/**
 * Started by its URL in a page, where nothing resolves imports of packages: whole in itself, it can be copied
 * or bundled as a file.
 */
const WORKER = "worker";
/** What has declarations for others to see. */
const TYPED = ["index", "core", "server", "ai", "worker"];

const inlineKernels: Plugin = {
  name: "inline-kernels",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.wasm\?inline$/ }, ({ path }) => ({ path, namespace: "inline" }));
    onLoad({ filter: /./, namespace: "inline" }, () => {
      const builds = INLINE_FILES.map((name) => [name, readFileSync(`${dist}/wasm/fptq-${name}.wasm`)] as const);
      const text = deflateRawSync(interleave(builds.map(([, bytes]) => bytes)), { level: 9 }).toString("base64");
      const lengths = Object.fromEntries(builds.map(([name, { length }]) => [name, length]));
      return { contents: `export default ${JSON.stringify({ text, lengths })}` };
    });
  },
};

const SHARED: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "neutral",
  target: "es2023",
  outbase: "src",
  outdir: "dist",
  metafile: true,
  logLevel: "warning",
};

/** What came from packages into the output is what `bundled-packages.ts` lists. */
function checkBundled(files: readonly string[]): void {
  const found = new Set(files.flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
  const others = [...found].filter((name) => !BUNDLED.includes(name));
  const missing = BUNDLED.filter((name) => !found.has(name));
  if (others.length + missing.length > 0)
    throw new Error(`bundled: got ${[...found].join(", ")}, need ${BUNDLED.join(", ")} (scripts/bundled-packages.ts)`);
}

/** The notices that licences of bundled packages ask for; the text of Apache-2.0 is the package's own. */
function notices(): string {
  const parts = BUNDLED.map((name) => {
    const folder = `${root}node_modules/${name}`;
    const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Record<string, string>;
    const file = license === "Apache-2.0" ? undefined : readdirSync(folder).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
    if (license !== "Apache-2.0" && file === undefined) throw new Error(`${name}: got no text of its licence, need one`);
    if (existsSync(`${folder}/NOTICE`)) throw new Error(`${name}: has a NOTICE, which has to go along`);
    const text = file === undefined ? "the text is in LICENSE" : readFileSync(`${folder}/${file}`, "utf8").trim();
    return `${name} ${version}, ${license}\n\n${text}\n`;
  });
  return `Parts of these packages are in the files beside this one.\n\n${parts.join(`\n${"-".repeat(80)}\n\n`)}`;
}

/** `src/host/node.ts` names files by their place relative to its own, two folders below the package. */
function checkPlaceOf(source: string, outputs: Record<string, { inputs: Record<string, unknown> }>): void {
  const places = Object.entries(outputs).filter(([, { inputs }]) => source in inputs);
  const wrong = places.filter(([file]) => dirname(file) !== "dist/chunks").map(([file]) => file);
  if (places.length === 0 || wrong.length > 0)
    throw new Error(`${source}: is in ${wrong.join(", ") || "no file"}, need dist/chunks`);
}

for (const name of readdirSync(dist)) if (name !== "wasm") rmSync(`${dist}/${name}`, { recursive: true });
const inputs = (names: string[]) => names.map((name) => `src/${name}.ts`);
const { metafile } = await build({
  ...SHARED,
  entryPoints: inputs(ENTRIES),
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  external: ["*.wasm", "*.wasm?module", "node:*", ...INSTALLED],
  mainFields: ["module", "main"],
  plugins: [inlineKernels],
});
checkBundled(Object.values(metafile!.outputs).flatMap(({ inputs: parts }) => Object.keys(parts)));
writeFileSync(`${dist}/THIRD-PARTY-NOTICES.txt`, notices());
checkPlaceOf("src/host/node.ts", metafile!.outputs);
for (const file of Object.keys(metafile!.outputs)) {
  // Nothing here does anything when it is imported, so an import of no name is only there to keep an order;
  // bundlers warn about it.
  const path = `${root}${file}`;
  writeFileSync(path, readFileSync(path, "utf8").replaceAll(/^import "\.{1,2}\/[\w./-]+";\n/gm, ""));
}
// No error of its own comes from there, and the loader's variable `exports` makes readers of files without
// imports take them for CommonJS.
await build({ ...SHARED, entryPoints: inputs([WORKER]), minify: true });

// The declarations that can be reached from a public one.
const declarations = `${root}build/declarations`;
rmSync(declarations, { recursive: true, force: true });
const tsc = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", declarations];
const { status } = spawnSync(process.execPath, tsc, { cwd: root, stdio: "inherit" });
if (status !== 0) throw new Error(`tsc: exit ${status}`);
const bundle = await rolldown({
  cwd: declarations,
  input: Object.fromEntries(TYPED.map((name) => [name, `${declarations}/${name}.d.ts`])),
  external: /^[^./]/,
  plugins: [dts({ dtsInput: true, emitDtsOnly: true, tsconfig: false })],
  experimental: { attachDebugInfo: "none" },
});
// `Disposable` is known to those alone whose `lib` has it; a reference gives it to everybody.
const banner = '/// <reference lib="esnext.disposable" />';
await bundle.write({ dir: `${dist}/types`, format: "es", chunkFileNames: "declarations.d.ts", banner });
