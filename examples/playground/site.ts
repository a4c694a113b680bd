/**
 * How the page is built and served: what is in `vite.config.ts`, and with a tiny model what the tests use.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import sirv from "sirv";
import type { Plugin, UserConfig } from "vite";
import { staticFiles } from "./static-files.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The checkpoint of the repository. */
export const EMBEDDED = path("../../models/smollm2-135m-instruct-w4a8");

export interface Site {
  /**
   * Folder that is served as `model/`, which the page loads when it is opened; when built, whose name and
   * size the page tells. Empty for a page that is told neither.
   */
  readonly model: string;
  /** Whether the page may share memory between threads. Only a test wants it not to. */
  readonly isolated?: boolean;
}

/**
 * Scripts and workers of this site alone; WebAssembly, but no code made of text. A model may come from any
 * server that allows it, which for http means one on this machine.
 */
const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** What gives a page shared memory, and with it threads. */
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export function site({ model, isolated = true }: Site): UserConfig {
  return {
    root: path("."),
    // Relative, so that the built folder can be served from anywhere.
    base: "./",
    appType: "mpa",
    plugins: [serveModel(model), staticFiles({ ...HEADERS, ...ISOLATION })],
    define: { EMBEDDED_MODEL_FACTS: JSON.stringify(describeModel(model)) ?? "undefined" },
    // The package of this repository, as `npm run build` made it. A project that has fptq installed needs no
    // alias.
    resolve: { alias: [{ find: /^fptq$/, replacement: path("../../dist/browser.js") }] },
    worker: { format: "es" },
    build: {
      target: "es2023",
      // The policy allows no data: URLs.
      assetsInlineLimit: 0,
      // On a busy machine everything takes long; that is no fault of a plugin.
      rolldownOptions: {
        checks: { pluginTimings: false },
        // A service worker keeps its address from one version to the next.
        input: { index: path("index.html"), sw: path("src/service-worker.ts") },
        output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
      },
    },
    preview: { host: "127.0.0.1", port: 8080, headers: { ...HEADERS, ...(isolated && ISOLATION) } },
  };
}

/**
 * The name of a model and the bytes of its files. A quantized one is called as its source, without the file's
 * ending and kind; another as its folder.
 */
function describeModel(folder: string): { name: string; bytes: number } | undefined {
  if (folder === "") return undefined;
  const report = `${folder}/quantization-report.json`;
  const { source } = existsSync(report)
    ? (JSON.parse(readFileSync(report, "utf8")) as { source: string })
    : { source: basename(folder) };
  const files = readdirSync(folder).filter((file) => /\.(json|safetensors)$/.test(file));
  return {
    name: source.replace(/\.gguf$/i, "").replace(/[.-](I?Q\d\w*|B?F(16|32))$/i, ""),
    bytes: files.reduce((sum, file) => sum + statSync(`${folder}/${file}`).size, 0),
  };
}

/** The files of the model with ranges and validators, beside the built page and under the same headers. */
function serveModel(folder: string): Plugin {
  return {
    name: "serve-model",
    configurePreviewServer({ middlewares }) {
      middlewares.use("/model", sirv(folder, { dev: true, etag: true }));
    },
  };
}
