/** The packed package as a stranger meets it: installed in an empty folder, and run there. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installed, NotInstalledError, outputOf } from "../../test/runtimes/launch.ts";
import { ROOT } from "./pack.ts";

const MODEL = join(ROOT, "models/smollm2-135m-instruct-w4a8");
const PROMPT = "The capital of France is";

const PROGRAM = `import { loadModel } from "fptq";
const model = await loadModel(process.argv[2], { threads: 1 });
const { text } = await model.generate(${JSON.stringify(PROMPT)}, { maxTokens: 8, temperature: 0 }).result;
await model.dispose();
console.log(text);
`;
const COMMON_JS = `const main = async () => {${PROGRAM.replace(/^import (.*) from (.*);/, "const $1 = await import($2);")}};\nmain();\n`;
const STRICT = `import { type GenerateOptions, type LanguageModel, loadModel } from "fptq";
import { createServer } from "fptq/server";
export const options: GenerateOptions = { maxTokens: 8 };
export const model: LanguageModel = await loadModel("model");
export const text: string = (await model.generate("a", options).result).text;
export const answer: Response | Promise<Response> = createServer(model).fetch(new Request("http://localhost/"));
`;

export interface InstalledFolder extends Disposable {
  readonly path: string;
}

/** Installs the file with what it depends on into a folder outside the repository; disposing removes it. */
export async function installInEmptyFolder(file: string): Promise<InstalledFolder> {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "fptq-first-run-")));
  const folder = { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
  try {
    writeFileSync(join(path, "package.json"), '{ "private": true }\n');
    await outputOf("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", file], {
      cwd: path,
      shell: process.platform === "win32",
    });
    mkdirSync(join(path, "strict"));
    for (const [name, text] of [["program.mjs", PROGRAM], ["program.cjs", COMMON_JS], ["strict/program.mts", STRICT]] as const)
      writeFileSync(join(path, name), text); // prettier-ignore
    return folder;
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
}

/** Compiles a program and the installed declarations strictly. @throws Error with what tsc says */
export async function typeCheck(folder: string): Promise<void> {
  const compilerOptions = {
    module: "NodeNext", target: "ES2023", lib: ["ES2023", "DOM", "DOM.AsyncIterable", "ESNext.Disposable"], types: [],
    strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false,
  }; // prettier-ignore
  writeFileSync(join(folder, "strict/tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.mts"] }));
  await outputOf(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", join(folder, "strict")]);
}

const DENO = ["run", "--no-prompt", "--no-lock", "--no-remote", "--node-modules-dir=manual", "--allow-read", "--allow-env", "--allow-sys"]; // prettier-ignore
const RUNTIMES = [
  { name: "node", command: process.execPath, args: [], programs: ["program.mjs", "program.cjs"] },
  { name: "node, current", command: installed("node"), args: [], programs: ["program.mjs", "program.cjs"] },
  { name: "deno", command: installed("deno"), args: DENO, programs: ["program.mjs"] },
  { name: "bun", command: installed("bun"), args: ["run", "--no-install"], programs: ["program.mjs"] },
];

/**
 * Runs the command line and a program in each runtime that is there, with the model of the repository.
 *
 * @returns a line for each runtime
 * @throws Error if one fails, or says something else than the first
 */
export async function firstRuns(folder: string): Promise<string[]> {
  const main = join(folder, "node_modules/fptq/dist/cli/main.js");
  const words = ["run", "-m", MODEL, "-p", PROMPT, "-n", "8", "--temp", "0", "-t", "1"];
  const lines: string[] = [];
  let expected: string | undefined;
  for (const { name, command, args, programs } of RUNTIMES) {
    try {
      const env = { ...process.env, NODE_OPTIONS: "", DENO_NO_UPDATE_CHECK: "1" };
      const run = async (...more: string[]) => (await outputOf(command, [...args, ...more], { cwd: folder, env })).trim();
      const version = await run(main, "--version");
      const texts = [await run(main, ...words), ...(await Promise.all(programs.map((program) => run(program, MODEL))))];
      expected ??= texts[1]!;
      const wrong = texts.find((text) => !text.endsWith(expected!.trim()));
      if (wrong !== undefined) throw new Error(`${name}: got ${JSON.stringify(wrong)}, need ${JSON.stringify(expected)}`);
      lines.push(`${name}: fptq ${version}; fptq run, ${programs.join(", ")}: ${JSON.stringify(expected.trim())}`);
    } catch (error) {
      if (!(error instanceof NotInstalledError) || process.env["FPTQ_REQUIRE_DATA"] !== undefined) throw error;
      lines.push(`skip: ${name}: ${error.message}`);
    }
  }
  return lines;
}
