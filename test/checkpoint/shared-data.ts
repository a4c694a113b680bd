/** Files that live beside the repository; a test that needs one fails in CI if it is missing, and elsewhere says that it skips. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";

/** The bytes of a file below `../shared`, or undefined after a printed reason. */
export function sharedFile(path: string): Uint8Array | undefined {
  const file = fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
  if (existsSync(file)) return readFileSync(file);
  if (process.env["CI"] !== undefined) assert.unreachable(`shared/${path} is missing`);
  console.log(`\nskip: shared/${path} is not there`);
  return undefined;
}
