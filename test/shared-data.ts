/** Models and reference values that live beside the repository, too large or too foreign to be part of it. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SHARED = fileURLToPath(new URL("../../shared", import.meta.url));

/**
 * The path of a shared file or folder; undefined, with a printed reason, where it is missing.
 *
 * @param path inside the shared folder, for instance `reference/tiny`
 * @throws Error if it is missing and the environment variable CI is set: there a skip would hide a failure
 */
export function sharedData(path: string): string | undefined {
  const full = `${SHARED}/${path}`;
  if (existsSync(full)) return full;
  const reason = `../shared/${path} is missing`;
  if (process.env["CI"]) throw new Error(reason);
  console.log(`skip: ${reason}`);
  return undefined;
}
