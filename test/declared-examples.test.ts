/**
 * What an editor shows of a function of the package has an example, and every example is a program that the
 * package's declarations accept.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("declared examples");
const root = fileURLToPath(new URL("..", import.meta.url));
const types = `${root}dist/types`;
const directory = `${root}build/declared-examples`;

/** What an example may use without saying where it has it from. */
const AMBIENT = `
import type { Host, LanguageModel, ModelLocation, OutputFile, OutputFolder } from "fptq/core";
declare global {
  const model: LanguageModel;
  const text: string;
  const host: Host;
  const modelLocation: ModelLocation;
  const baseLocation: ModelLocation;
  const outputFile: OutputFile;
  const outputFolder: OutputFolder;
}
`;

/** A package that is not installed here, as far as an example goes. */
const OTHER_PACKAGES = `
declare module "ai" {
  import type { LanguageModelV4 } from "@ai-sdk/provider";
  export function generateText(options: { model: LanguageModelV4; prompt: string }): Promise<{ text: string }>;
}
`;

interface Example {
  /** File and line of the comment. */
  readonly place: string;
  readonly code: string;
}

const declarations = new Map(
  readdirSync(types)
    .filter((file) => file.endsWith(".d.ts"))
    .map((file) => [file, readFileSync(`${types}/${file}`, "utf8")]),
);

/** Code of each `@example` of a file; one that is not fenced is none. */
function examplesOf(file: string, source: string): Example[] {
  return [...source.matchAll(/\/\*\*(?:(?!\*\/)[^])*\*\//g)].flatMap(({ 0: comment, index }) => {
    const place = `${file}:${source.slice(0, index).split("\n").length}`;
    const lines = comment.split("\n").map((line) => line.replace(/^\s*(\/\*\*|\*\/|\*) ?/, ""));
    return [...lines.join("\n").matchAll(/^@example\n(?:```ts\n([^]*?)^```)?/gm)].map(([, code = ""]) => ({ place, code }));
  });
}

/** Errors of the compiler for a set of examples, by their places. */
function errorsOf(examples: readonly Example[]): string[] {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const [i, { code }] of examples.entries()) writeFileSync(`${directory}/example-${i}.ts`, `${code}\nexport {};\n`);
  writeFileSync(`${directory}/ambient.d.ts`, AMBIENT);
  writeFileSync(`${directory}/other-packages.d.ts`, OTHER_PACKAGES);
  const compilerOptions = {
    target: "ES2023",
    lib: ["ES2023", "DOM", "DOM.AsyncIterable", "ESNext.Disposable"],
    module: "NodeNext",
    types: ["node"],
    typeRoots: [`${root}node_modules/@types`],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  // The package by its own name and `exports`: no `paths`.
  writeFileSync(`${directory}/tsconfig.json`, JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const tsc = [`${root}node_modules/typescript/bin/tsc`, "-p", directory, "--pretty", "false"];
  const { stdout } = spawnSync(process.execPath, tsc, { cwd: directory, encoding: "utf8" });
  return stdout.split("\n").flatMap((line) => {
    const [, number, message] = /^example-(\d+)\.ts(\(.*)/.exec(line) ?? [];
    if (number !== undefined) return [`${examples[Number(number)]!.place}: ${message}`];
    return line.includes("error TS") ? [line] : [];
  });
}

/** Exported functions, with their comments; what is declared in a bundle of declarations is exported. */
function functionsWithout(mark: string): string[] {
  return [...declarations].flatMap(([file, source]) =>
    [...source.matchAll(/(\/\*\*(?:(?!\*\/)[^])*\*\/\n)?declare function (\w+)/g)]
      .filter(([, comment = ""]) => !comment.includes(mark))
      .map(([, , name]) => `${file}: ${name}`),
  );
}

const examples = [...declarations].flatMap(([file, source]) => examplesOf(file, source));

test("every function has an example", () => {
  assert.ok(functionsWithout("no comment has these words").length > 25);
  assert.equal(functionsWithout("@example\n"), []);
});

test("every example is accepted by the declarations", () => {
  assert.ok(examples.length > 35, `${examples.length} examples`);
  assert.equal(examples.filter(({ code }) => code === "").map(({ place }) => place), []); // prettier-ignore
  assert.equal(errorsOf(examples), []);
});

test("an example that is wrong is found, and where it stands", () => {
  const comment = (code: string) => `\n/**\n * Text.\n *\n * @example\n * \`\`\`ts\n * ${code}\n * \`\`\`\n * @throws\n */`;
  const wrong = [
    ...examplesOf("a.d.ts", comment("await model.generate(1).result;")),
    ...examplesOf("b.d.ts", comment('import { nothing } from "fptq";')),
    ...examplesOf("c.d.ts", comment('model.generate("text");')),
  ];
  const [first = "", second = "", ...others] = errorsOf(wrong);
  assert.match(first, /^a\.d\.ts:2: .*not assignable/);
  assert.match(second, /^b\.d\.ts:2: .*nothing/);
  assert.equal(others, []);
  assert.equal(examplesOf("d.d.ts", "/**\n * @example\n * model.generate();\n */"), [{ place: "d.d.ts:1", code: "" }]);
});

test.run();
