/** Makes the file that is published: what is in `dist/`, with a manifest that has nothing of its making. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Manifest, publishedManifest } from "./manifest.ts";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Packed {
  /** Path of the .tgz. */
  readonly file: string;
  /** Bytes of it. */
  readonly size: number;
  /** Bytes of what is in it. */
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

export function readManifest(): Manifest {
  return JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;
}

/**
 * Packs the package as it is built.
 *
 * @param directory where the file goes; made if it is not there
 * @throws Error if something that is listed is not there, or npm fails
 */
export function pack(directory: string): Packed {
  const staged = join(directory, "staged");
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(staged, { recursive: true });
  const manifest = readManifest();
  for (const path of manifest["files"] as string[]) cpSync(join(ROOT, path), join(staged, path), { recursive: true });
  writeFileSync(join(staged, "package.json"), `${JSON.stringify(publishedManifest(manifest), null, 2)}\n`);
  // npm is a script of the shell's on Windows.
  const { status, stdout, stderr } = spawnSync(
    "npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", ".."],
    { cwd: staged, encoding: "utf8", shell: process.platform === "win32" },
  ); // prettier-ignore
  rmSync(staged, { recursive: true });
  if (status !== 0) throw new Error(`npm pack: ended with ${status}\n${stderr}`);
  const [packed] = JSON.parse(stdout) as [Omit<Packed, "file"> & { filename: string }];
  return { ...packed, file: join(directory, packed.filename) };
}
