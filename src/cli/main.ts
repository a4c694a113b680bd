#!/usr/bin/env node
/**
 * `fptq`: what the command line runs from compiled code, where Node can keep that (from 22.8 on).
 *
 * Nothing is imported that an old Node cannot read, so that it gives a sentence instead of a stack.
 */
import module from "node:module";

/** `engines` of package.json. */
const NEEDED = [20, 19] as const;

/** Whether this is Node, and older than what the package needs. */
function isTooOld({ node = "", deno, bun }: Readonly<Record<string, string | undefined>>): boolean {
  const [major = 0, minor = 0] = node.split(".").map(Number);
  return deno === undefined && bun === undefined && (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1]));
}

if (isTooOld(process.versions)) {
  process.stderr.write(`error: Node: got ${process.versions.node}, need ${NEEDED.join(".")} or newer: https://nodejs.org\n`);
  process.exitCode = 1;
} else {
  const { enableCompileCache } = module as { enableCompileCache?: () => unknown };
  // Compiling takes a third of the time from the command to its first action; the second time it takes none.
  enableCompileCache?.();
  await import("./start.ts");
}
