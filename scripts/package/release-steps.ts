/** What has to hold before a version is published, each as a step that says what it found or throws. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { missingFields, otherVersions } from "./manifest.ts";
import { firstRuns, installInEmptyFolder, typeCheck } from "./first-runs.ts";
import { pack, readManifest, ROOT } from "./pack.ts";

export interface Step {
  readonly name: string;
  /** @returns a note. @throws Error that says what is wrong, a line for each thing */
  run(): Promise<string | void>;
}

/** Runs a command in the repository. @returns its last line. @throws Error with the end of its output */
async function lastLineOf(command: string, ...args: string[]): Promise<string> {
  const child = spawn(command, args, { cwd: ROOT, shell: process.platform === "win32", stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  const lines = text.trimEnd().split("\n");
  if (code !== 0)
    throw new Error([`${[command, ...args].join(" ")}: ended with ${String(code)}`, ...lines.slice(-40)].join("\n"));
  return lines.at(-1)!;
}

const tsx = (script: string, ...args: string[]) => lastLineOf(process.execPath, "--import", "tsx", script, ...args);

function refuse(sentences: readonly string[]): void {
  if (sentences.length > 0) throw new Error(sentences.join("\n"));
}

export const RELEASE_STEPS: readonly Step[] = [
  { name: "package.json says whose it is and where from", run: async () => refuse(missingFields(readManifest())) },
  {
    name: "changelog and citation have the version",
    async run() {
      const [changelog, citation] = ["CHANGELOG.md", "CITATION.cff"].map((file) => readFileSync(join(ROOT, file), "utf8"));
      refuse(otherVersions(readManifest(), { changelog: changelog!, citation: citation! }));
      return readManifest().version;
    },
  },
  {
    name: "everything is committed",
    async run() {
      const status = await lastLineOf("git", "status", "--porcelain");
      if (status !== "") throw new Error(`git status: got ${status.trim()} among others, need a clean tree`);
    },
  },
  { name: "builds", run: async () => void (await lastLineOf("npm", "run", "build")) },
  {
    name: "size, links of README, examples in Node",
    run: () => tsx("scripts/test.ts", "test/package", "test/docs", "test/examples"),
  },
  { name: "licences of what is installed with it", run: () => tsx("scripts/audit.ts", "--offline") },
  {
    name: "publint, arethetypeswrong, bundlers",
    async run() {
      await lastLineOf("npm", "ci", "--prefix", "test/bundlers", "--no-audit", "--no-fund");
      return tsx("test/bundlers/run.ts");
    },
  },
  {
    name: "installs in an empty folder, runs in each runtime",
    async run() {
      const { file } = pack(join(ROOT, "build/package"));
      using folder = await installInEmptyFolder(file);
      await typeCheck(folder.path);
      return (await firstRuns(folder.path)).join("\n");
    },
  },
  { name: "examples of other runtimes", run: () => tsx("test/runtimes/run.ts", "examples") },
];
