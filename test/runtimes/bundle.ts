/** Bundles of the suite with the built package, made the way a user's own bundler would. */
import { cpSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";

const entries = (...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, new URL(`entries/${name}.ts`, import.meta.url).pathname]));

const SHARED = {
  bundle: true,
  format: "esm",
  target: "es2023",
  logLevel: "warning",
  // Without the repository's own settings, `fptq` is the package as its `exports` say, not its sources.
  tsconfigRaw: {},
} satisfies BuildOptions;

/** For runtimes that find packages themselves: only the suite is bundled, `fptq` stays an import. */
export async function bundleForServers(directory: string): Promise<void> {
  const entryPoints = entries("core", "package");
  await build({ ...SHARED, entryPoints, outdir: directory, platform: "node", external: ["fptq", "fptq/*"] });
}

/**
 * For pages, as docs/bundlers.md says for esbuild: what the package finds beside itself is put beside the
 * bundle.
 */
export async function bundleForPages(directory: string, dist: string): Promise<void> {
  const entryPoints = entries("page", "suite-worker", "options-worker", "tab");
  await build({ ...SHARED, entryPoints, outdir: directory, platform: "browser", nodePaths: [`${directory}/node_modules`] });
  cpSync(`${dist}/wasm`, `${directory}/wasm`, { recursive: true });
  cpSync(`${dist}/worker.js`, `${directory}/worker.js`);
  for (const [page, script] of [
    ["index", "page"],
    ["tab", "tab"],
  ]) {
    writeFileSync(
      `${directory}/${page}.html`,
      `<!doctype html><title>fptq</title><script type="module" src="/${script}.js"></script>`,
    );
  }
}

/** For workerd, as wrangler does: imports of `.wasm` are left to the platform. */
export async function bundleForWorkerd(directory: string): Promise<void> {
  await build({
    ...SHARED,
    entryPoints: entries("workerd"),
    outdir: directory,
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    external: ["*.wasm"],
    nodePaths: [`${directory}/node_modules`],
  });
}

/** What the platform puts in place of an import of a compiled module: a global it has filled. */
const deployedModules: Plugin = {
  name: "deployed-modules",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.wasm\?module$/ }, ({ path }) => ({ path, namespace: "deployed" }));
    onLoad({ filter: /./, namespace: "deployed" }, ({ path }) => ({
      contents: `export default wasmModules["${basename(path, "?module")}"]`,
    }));
  },
};

/** For Vercel's edge: one script. */
export async function bundleForEdgeLight(directory: string): Promise<void> {
  await build({
    ...SHARED,
    entryPoints: entries("edge-light"),
    outdir: directory,
    platform: "neutral",
    mainFields: ["module", "main"],
    format: "iife",
    globalName: "edge",
    conditions: ["edge-light"],
    plugins: [deployedModules],
    nodePaths: [`${directory}/node_modules`],
  });
}
