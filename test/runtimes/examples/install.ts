/**
 * The examples as somebody has them who copied their folders: with the packed package installed by npm, and
 * no repository around.
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { pack } from "../../../scripts/package/pack.ts";
import { outputOf } from "../launch.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const MODEL = "models/smollm2-135m-instruct-w4a8";

export interface InstalledExamples {
  /** Holds `examples/` and `models/`, as the repository does. */
  readonly directory: string;
  /** The checkpoint, where the examples expect it. */
  readonly model: string;
  remove(): void;
}

export async function installExamples(): Promise<InstalledExamples> {
  const directory = realpathSync(mkdtempSync(`${tmpdir()}/fptq-examples-`));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  try {
    mkdirSync(`${directory}/models`);
    symlinkSync(`${root}${MODEL}`, `${directory}/${MODEL}`, "junction");
    for (const name of ["workers", "deno", "bun"]) {
      cpSync(`${root}examples/${name}`, `${directory}/examples/${name}`, {
        recursive: true,
        filter: (path) => basename(path) !== "node_modules",
      });
    }
    const { file } = pack(directory);
    const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--omit=dev"];
    for (const name of ["workers", "deno", "bun"]) {
      const cwd = `${directory}/examples/${name}`;
      await outputOf("npm", ["install", "--no-save", ...quiet, file], { cwd });
    }
    return { directory, model: `${directory}/${MODEL}`, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
