/**
 * What is published: its size, what each entry point pulls in, and that nothing in it needs more than a
 * strict policy allows.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BUNDLED } from "../scripts/bundled-packages.ts";
import { missingFields, type Manifest, otherVersions, publishedManifest } from "../scripts/package/manifest.ts";
import { pack } from "../scripts/package/pack.ts";

const test = suite("package");
const root = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as {
  exports: Record<string, string | Record<string, string>>;
  main: string;
  types: string;
  typesVersions: Record<string, Record<string, string[]>>;
  engines: { node: string };
  dependencies: Record<string, string>;
};

/** Unpacked, without models (docs/decisions/small-package.md). Raising it needs a reason in the commit. */
const MOST_BYTES = 2_400_000;
/** Entry points that are imported where there is no Node. */
const ELSEWHERE = {
  browser: { specifier: "fptq", conditions: ["browser"] },
  workerd: { specifier: "fptq", conditions: ["workerd", "worker", "browser"] },
  "edge-light": { specifier: "fptq", conditions: ["edge-light"] },
  default: { specifier: "fptq", conditions: [] },
  inline: { specifier: "fptq/inline", conditions: [] },
  core: { specifier: "fptq/core", conditions: [] },
  worker: { specifier: "fptq/worker", conditions: [] },
  ai: { specifier: "fptq/ai", conditions: [] },
} as const;

interface Bundle {
  readonly text: string;
  readonly metafile: Metafile;
}

/** @param format a script has no top-level await; esbuild refuses one */
async function bundle(
  { specifier, conditions }: (typeof ELSEWHERE)[keyof typeof ELSEWHERE],
  format: "esm" | "iife",
): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export * from "${specifier}"; import "${specifier}";`, resolveDir: root },
    bundle: true,
    write: false,
    metafile: true,
    format,
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: [...conditions],
    // The package by its own name and `exports`, not by the paths this repository's sources are found by.
    tsconfigRaw: {},
    external: ["*.wasm", "*.wasm?module"],
    logLevel: "silent",
    absWorkingDir: root,
  });
  return { text: outputFiles[0]!.text, metafile };
}

const packagesIn = ({ metafile }: Bundle) => {
  const names = Object.keys(metafile.inputs).flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  return [...new Set(names)].toSorted();
};
const importsOf = ({ metafile }: Bundle) =>
  Object.values(metafile.outputs).flatMap(({ imports }) => imports.filter(({ external }) => external).map(({ path }) => path));

test("every condition of every export leads to a file, declarations first", () => {
  for (const [specifier, target] of Object.entries(manifest.exports)) {
    if (typeof target === "string") continue;
    assert.is(Object.keys(target)[0], "types", specifier);
    for (const file of Object.values(target)) assert.ok(existsSync(`${root}${file}`), `${specifier}: ${file}`);
  }
  const { ".": main } = manifest.exports;
  const order = ["types", "workerd", "edge-light", "deno", "bun", "node", "browser", "default"];
  assert.equal(Object.keys(main as object), order, "edge platforms also answer to browser, Deno and Bun also to node");
});

test("resolvers that know no exports find the same declarations", () => {
  const { exports, main, types, typesVersions } = manifest;
  const conditions = exports["."] as Record<string, string>;
  assert.equal([main, types], [conditions["node"], conditions["types"]]);
  const declared = Object.entries(exports).flatMap(([specifier, target]) =>
    specifier === "." || typeof target === "string" ? [] : [[specifier.slice(2), [target["types"]]]],
  );
  assert.equal(typesVersions, { "*": Object.fromEntries(declared) });
});

test("no dependency needs a newer Node than the package says it does", () => {
  const lock = JSON.parse(readFileSync(`${root}package-lock.json`, "utf8")) as {
    packages: Record<string, { dev?: boolean; engines?: { node?: string } }>;
  };
  const least = manifest.engines.node.replace(">=", "").split(".").map(Number);
  const isNewer = (version: readonly number[]) => {
    const at = version.findIndex((part, i) => part !== (least[i] ?? 0));
    return at >= 0 && version[at]! > (least[at] ?? 0);
  };
  const newer = Object.entries(lock.packages).filter(([, { dev, engines }]) => {
    const bound = /^>=\s*([\d.]+)$/.exec(engines?.node ?? "")?.[1];
    return dev !== true && bound !== undefined && isNewer(bound.split(".").map(Number));
  });
  assert.equal(newer, []);
});

test(`at most ${MOST_BYTES / 1000} kB unpacked, and no sources, tests or models`, () => {
  const { unpackedSize, files } = pack(`${root}build/package-test`);
  console.log(`\nfigure: ${(unpackedSize / 1000).toFixed(1)} kB unpacked, ${files.length} files`);
  assert.ok(unpackedSize <= MOST_BYTES, `${unpackedSize} bytes`);
  const others = files
    .map(({ path }) => path)
    .filter(
      (path) => !/^(dist\/.+\.(js|d\.ts|wasm)|dist\/THIRD-PARTY-NOTICES\.txt|LICENSE|README\.md|package\.json)$/.test(path),
    );
  assert.equal(others, []);
});

test("the published manifest has nothing of its making, and all else", () => {
  const published = publishedManifest(manifest as unknown as Manifest);
  for (const field of ["scripts", "devDependencies", "overrides"]) assert.not.ok(field in published, field);
  for (const field of ["name", "version", "exports", "dependencies", "engines", "peerDependenciesMeta", "publishConfig"])
    assert.equal(published[field], (manifest as unknown as Manifest)[field], field);
});

test("what has to be filled in before publishing is named", () => {
  const whole = {
    name: "fptq",
    version: "1.2.3",
    author: { name: "A" },
    repository: { type: "git", url: "git+https://example.org/a/fptq.git" },
    homepage: "https://example.org/fptq",
    bugs: { url: "https://example.org/a/fptq/issues" },
    publishConfig: { provenance: true },
  };
  assert.equal(missingFields(whole), []);
  for (const field of ["author", "repository", "homepage", "bugs", "publishConfig"]) {
    const without = { ...whole, [field]: undefined };
    assert.match(missingFields(without).join(), new RegExp(`^package\\.json: ${field}: got none, need `));
  }
  const template = { ...whole, repository: { type: "git", url: "git+https://HOST/OWNER/fptq.git" } };
  assert.is(missingFields(template).length, 1);
});

test("a version that changelog or citation do not know is named", () => {
  const manifestOf = (version: string) => ({ name: "fptq", version });
  const files = { changelog: "# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2026-11-30\n", citation: "version: 1.2.3\n" };
  assert.equal(otherVersions(manifestOf("1.2.3"), files), []);
  assert.is(otherVersions(manifestOf("1.2.30"), files).length, 2);
  assert.match(otherVersions(manifestOf("v1"), files)[0]!, /got v1, need MAJOR\.MINOR\.PATCH/);
});

for (const [name, entry] of Object.entries(ELSEWHERE)) {
  test(`${name}: imports no other package, and nothing of Node`, async () => {
    const made = await bundle(entry, "esm");
    assert.equal(packagesIn(made), []);
    const outside = importsOf(made).filter(
      (path) => !/^\.\/wasm\/fptq-((kept-)?(simd128|relaxed|relaxed-i16)|relaxed-(u8|s8)|probe)\.wasm(\?module)?$/.test(path),
    );
    assert.equal(outside, []);
  });

  test(`${name}: no top-level await, no code made at run time, no blob`, async () => {
    const { text } = await bundle(entry, "iife");
    for (const forbidden of [/\beval\s*\(/, /\bnew Function\b|[^.\w]Function\s*\(/, /createObjectURL/, /\bimportScripts\b/]) {
      const found = forbidden.exec(text);
      assert.is(found, null, found ? text.slice(found.index - 60, found.index + 60) : "");
    }
  });
}

/** What an entry point exports when it runs. */
async function namesOf(file: string): Promise<string[]> {
  const source = readFileSync(`${root}${file}`, "utf8");
  const { metafile } = await build({
    stdin: { contents: source, resolveDir: `${root}dist` },
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "neutral",
    packages: "external",
    external: ["*.wasm", "*.wasm?module"],
  });
  return Object.values(metafile.outputs)[0]!.exports.toSorted();
}

test("every condition of an entry point exports the same names", async () => {
  const needed = await namesOf("dist/index.js");
  assert.ok(needed.includes("loadModel") && needed.includes("quantize"));
  for (const file of ["browser", "workerd", "edge-light", "inline"]) assert.equal(await namesOf(`dist/${file}.js`), needed, file);
});

test("declarations name what is exported, no more and no less", async () => {
  const directory = `${root}build/declared-names`;
  mkdirSync(directory, { recursive: true });
  const check = async (names: (file: string) => Promise<string[]>) => {
    const entries = { fptq: "dist/index.js", "fptq/inline": "dist/inline.js", "fptq/core": "dist/core.js", "fptq/ai": "dist/ai.js", "fptq/worker": "dist/worker.js" }; // prettier-ignore
    const values = Object.entries(entries).map(async ([specifier, file], i) => {
      const listed = Object.fromEntries((await names(file)).map((name) => [name, true]));
      return `export const entry${i}: Record<keyof typeof import("${specifier}"), true> = ${JSON.stringify(listed)};`;
    });
    writeFileSync(`${directory}/names.ts`, (await Promise.all(values)).join("\n"));
    const options = {
      module: "NodeNext",
      types: [],
      strict: true,
      noEmit: true,
      // A program may check the declarations themselves.
      skipLibCheck: false,
      lib: ["ES2023", "DOM", "ESNext.Disposable"],
    };
    writeFileSync(`${directory}/tsconfig.json`, JSON.stringify({ compilerOptions: options, files: ["names.ts"] }));
    const tsc = [`${root}node_modules/typescript/bin/tsc`, "-p", directory, "--pretty", "false"];
    const { stdout } = spawnSync(process.execPath, tsc, { cwd: root, encoding: "utf8" });
    // Not the declarations of others: @ai-sdk/provider's want types that it does not bring.
    return stdout.split("\n").filter((line) => line.includes("error TS") && !line.startsWith("node_modules/"));
  };
  assert.equal(await check(namesOf), []);
  // The check itself can fail, both ways.
  assert.match((await check(async (file) => [...(await namesOf(file)), "nothing"])).join("\n"), /'"?nothing"?' does not exist/);
  assert.match((await check(async (file) => (await namesOf(file)).slice(1))).join("\n"), /Property '\w+' is missing/);
});

test("edge-light imports no build that an engine may be unable to compile", async () => {
  const imports = importsOf(await bundle(ELSEWHERE["edge-light"], "esm"));
  assert.equal(imports.toSorted(), ["./wasm/fptq-kept-simd128.wasm?module", "./wasm/fptq-simd128.wasm?module"]);
});

test("an uncaught error shows its line, its class and its code, also from a program whose names were shortened", async () => {
  const script = `import { loadModel } from "fptq"; await loadModel("no/such/model");`;
  const bundled = await build({
    stdin: { contents: script, resolveDir: root }, bundle: true, write: false, minify: true, format: "esm", platform: "node",
    conditions: ["node"], packages: "external", alias: { fptq: `${root}dist/index.js` },
  }); // prettier-ignore
  for (const program of [script, bundled.outputFiles[0]!.text]) {
    const { stderr, status } = spawnSync(process.execPath, ["--input-type=module"], {
      cwd: root,
      input: program,
      encoding: "utf8",
    });
    assert.is(status, 1);
    assert.match(stderr, /^CheckpointError: .*no\/such\/model: got nothing, need a file or folder/m);
    assert.match(stderr, "code: 'ERR_FPTQ_CHECKPOINT'");
    if (program === script) assert.ok(stderr.length < 4000, `${stderr.length} characters`);
  }
});

test("a package whose code is in the files is named in them, and not installed once more", () => {
  const notices = readFileSync(`${root}dist/THIRD-PARTY-NOTICES.txt`, "utf8");
  for (const name of BUNDLED) {
    const { version } = JSON.parse(readFileSync(`${root}node_modules/${name}/package.json`, "utf8")) as { version: string };
    assert.ok(notices.includes(`${name} ${version}, `), name);
    assert.not.ok(name in manifest.dependencies, name);
  }
});

test.run();
