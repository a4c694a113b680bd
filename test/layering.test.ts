/** Imports point down, and only `src/host` and `src/cli` know a runtime's own modules. */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("layering");
const root = fileURLToPath(new URL("../src", import.meta.url));

/** What each area may import beside itself and the files of EVERYWHERE. */
const ALLOWED: Record<string, readonly string[]> = {
  architecture: [],
  checkpoint: ["architecture"],
  kernels: [],
  sources: ["checkpoint"],
  "chat-template": [],
  tokenizer: ["checkpoint", "chat-template"],
  model: ["kernels", "architecture", "checkpoint"],
  training: ["model", "kernels", "architecture", "checkpoint"],
  decoding: ["model", "tokenizer", "architecture", "checkpoint"],
  quantizer: ["training", "model", "kernels", "architecture", "checkpoint", "tokenizer"],
  export: ["tokenizer", "architecture", "checkpoint"],
  server: ["decoding", "tokenizer"],
  ai: ["decoding", "tokenizer"],
  evaluation: ["quantizer", "decoding", "model", "kernels", "tokenizer", "architecture", "checkpoint"],
  host: ["kernels", "checkpoint", "sources"],
  "core.ts": ["export", "kernels", "sources", "model", "decoding", "quantizer", "evaluation", "tokenizer", "architecture", "checkpoint"],
  "library.ts": ["core.ts", "export", "host", "model", "sources", "quantizer", "evaluation"],
  "index.ts": ["core.ts", "library.ts", "host"],
  "browser.ts": ["index.ts", "core.ts", "library.ts", "host"],
  "workerd.ts": ["index.ts", "core.ts", "library.ts", "host", "wasm"],
  "edge-light.ts": ["index.ts", "core.ts", "library.ts", "host", "wasm"],
  "inline.ts": ["index.ts", "core.ts", "library.ts", "host", "wasm"],
  "worker.ts": ["host"],
  "server.ts": ["server"],
  "ai.ts": ["ai"],
  cli: [
    "index.ts", "server.ts", "core.ts", "export", "host", "decoding", "quantizer", "evaluation", "tokenizer", "model", "sources", "architecture", "checkpoint",
  ],
}; // prettier-ignore
const EVERYWHERE = new Set(["errors.ts", "json-object.ts", "json-tables.ts", "need.ts", "option-keys.ts", "progress.ts"]);
/** What a place brings and what work is given, not a place: types anyone may name. */
const CONTRACTS = new Set(["host/host.ts", "host/work.ts"]);

interface Import {
  file: string;
  specifier: string;
  typeOnly: boolean;
}

function imports(): Import[] {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return files.flatMap((file) => {
    const source = readFileSync(`${root}/${file}`, "utf8");
    const statements = source.matchAll(
      /^(?:import|export)\s+(type\s+)?[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|import\("([^"]+)"\)/gm,
    );
    return [...statements].map((match) => ({
      file: posix.normalize(file.replaceAll("\\", "/")),
      specifier: (match[2] ?? match[3] ?? match[4])!,
      typeOnly: match[1] !== undefined,
    }));
  });
}

const area = (file: string) => file.split("/")[0]!;

test("there are imports to check", () => assert.ok(imports().length > 100));

test("every area is known", () => {
  const unknown = new Set(
    imports()
      .map(({ file }) => area(file))
      .filter((name) => !(name in ALLOWED) && !EVERYWHERE.has(name)),
  );
  assert.equal([...unknown], []);
});

test("imports point down", () => {
  const upward = imports().flatMap(({ file, specifier, typeOnly }) => {
    if (!specifier.startsWith(".")) return [];
    const target = posix.normalize(posix.join(posix.dirname(file), specifier));
    if (EVERYWHERE.has(target) || area(target) === area(file)) return [];
    if (CONTRACTS.has(target) && typeOnly) return [];
    return ALLOWED[area(file)]?.includes(area(target)) ? [] : [`${file} imports ${target}`];
  });
  assert.equal(upward, []);
});

test("runtime modules are imported by src/host and src/cli only", () => {
  const leaks = imports().filter(
    ({ file, specifier }) =>
      /^(node|bun|deno|cloudflare|npm|jsr):|^(fs|path|os|process|worker_threads)$/.test(specifier) &&
      !["host", "cli"].includes(area(file)),
  );
  assert.equal(leaks, []);
});

test("the core names no runtime's globals", () => {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const named = files
    .filter((file) => !["host", "cli"].includes(area(file.replaceAll("\\", "/"))))
    // The script of a page, sent to browsers as text.
    .filter((file) => !file.endsWith("index-page.ts"))
    .filter((file) =>
      /\b(process\.(?!ts)|Deno\.|Bun\.|Buffer\.|navigator\.|window\.|document\.)/.test(
        readFileSync(`${root}/${file}`, "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ""),
      ),
    );
  assert.equal(named, []);
});

test.run();
