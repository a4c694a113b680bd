/**
 * The bundlers, each set up as docs/bundlers.md says: none needs a plugin for this package. They are
 * installed apart from the repository's own tools, so they are imported by path, and of their types only what
 * is used is written here.
 */
import { cpSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);
const load = async (name: string) => import(pathToFileURL(require.resolve(name)).href) as Promise<Record<string, never>>;

export interface Bundler {
  readonly name: string;
  /** `app` with its worker and those of the package, into a folder that a server can serve. */
  bundlePage(app: string, out: string, dist: string): Promise<void>;
  /** `program.js` into one file for Node. @returns its path */
  bundleProgram(app: string, out: string): Promise<string>;
}

/**
 * For bundlers that leave `new URL(..., import.meta.url)` as it is: what the package looks for lies beside
 * the bundle.
 */
const PAGE_ENTRIES = (app: string) => ({
  main: `${app}/main.js`,
  "model-worker": `${app}/model-worker.js`,
  worker: "fptq/worker",
});

function putBeside(app: string, out: string, dist: string): void {
  cpSync(`${dist}/wasm`, `${out}/wasm`, { recursive: true });
  cpSync(`${app}/index.html`, `${out}/index.html`);
}

const vite: Bundler = {
  name: "vite",
  async bundlePage(app, out) {
    const { build } = (await load("vite")) as unknown as { build(config: object): Promise<unknown> };
    await build({ root: app, configFile: false, logLevel: "warn", build: { outDir: out, emptyOutDir: true } });
  },
  async bundleProgram(app, out) {
    const { build } = (await load("vite")) as unknown as { build(config: object): Promise<unknown> };
    const options = {
      ssr: `${app}/program.js`,
      outDir: out,
      emptyOutDir: true,
      rollupOptions: { output: { entryFileNames: "program.mjs" } },
    };
    await build({ root: app, configFile: false, logLevel: "warn", ssr: { noExternal: true }, build: options });
    return `${out}/program.mjs`;
  },
};

interface WebpackStats {
  hasErrors(): boolean;
  hasWarnings(): boolean;
  toString(options: object): string;
}

async function webpackRun(config: object): Promise<void> {
  const { default: webpack } = (await load("webpack")) as unknown as {
    default(config: object, done: (error: Error | null, stats?: WebpackStats) => void): { close(done: () => void): void };
  };
  const stats = await new Promise<WebpackStats>((resolve, reject) => {
    const compiler = webpack(config, (error, result) => compiler.close(() => (error ? reject(error) : resolve(result!))));
  });
  if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString({ all: false, errors: true, warnings: true }));
}

const webpack: Bundler = {
  name: "webpack",
  async bundlePage(app, out) {
    // It warns of any file above 244 kB.
    await webpackRun({ mode: "production", context: app, entry: "./main.js", output: { path: out }, performance: false });
    cpSync(`${app}/index.html`, `${out}/index.html`);
  },
  async bundleProgram(app, out) {
    const output = { path: out, filename: "program.cjs" };
    await webpackRun({ mode: "production", target: "node20", context: app, entry: "./program.js", output, performance: false });
    return `${out}/program.cjs`;
  },
};

interface RollupBundle {
  write(options: object): Promise<unknown>;
}

async function rollupRun(input: object, resolve: object, output: object): Promise<void> {
  const { rollup } = (await load("rollup")) as unknown as { rollup(options: object): Promise<RollupBundle> };
  const { nodeResolve } = (await load("@rollup/plugin-node-resolve")) as unknown as { nodeResolve(options: object): object };
  const onLog = (_level: string, log: { message: string }) => {
    throw new Error(log.message);
  };
  await (await rollup({ input, plugins: [nodeResolve(resolve)], onLog })).write({ format: "es", ...output });
}

const rollup: Bundler = {
  name: "rollup",
  async bundlePage(app, out, dist) {
    await rollupRun(PAGE_ENTRIES(app), { rootDir: app, browser: true, exportConditions: ["browser"] }, { dir: out });
    putBeside(app, out, dist);
  },
  async bundleProgram(app, out) {
    await rollupRun({ program: `${app}/program.js` }, { exportConditions: ["node"] }, { dir: out, entryFileNames: "[name].mjs" });
    return `${out}/program.mjs`;
  },
};

async function esbuildRun(options: object): Promise<void> {
  const { build } = (await load("esbuild")) as unknown as { build(options: object): Promise<{ warnings: object[] }> };
  const { warnings } = await build({
    bundle: true,
    format: "esm",
    logLevel: "silent",
    tsconfigRaw: {}, // not this repository's
    ...options,
  });
  if (warnings.length > 0) throw new Error(JSON.stringify(warnings, null, 1));
}

const esbuild: Bundler = {
  name: "esbuild",
  async bundlePage(app, out, dist) {
    await esbuildRun({ absWorkingDir: app, entryPoints: PAGE_ENTRIES(app), outdir: out, platform: "browser" });
    putBeside(app, out, dist);
  },
  async bundleProgram(app, out) {
    await esbuildRun({ absWorkingDir: app, entryPoints: [`${app}/program.js`], outfile: `${out}/program.mjs`, platform: "node" });
    return `${out}/program.mjs`;
  },
};

export const BUNDLERS: readonly Bundler[] = [vite, webpack, rollup, esbuild];
