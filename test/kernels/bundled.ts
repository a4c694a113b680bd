/** Scripts of tests for threads that are started by built files. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildSync } from "esbuild";

/**
 * A script of this folder, in `build/`. A worker started by a built file sees no TypeScript: what it needs of
 * the sources is made part of it.
 */
export function bundled(name: string): URL {
  const outfile = fileURLToPath(new URL(`../../build/${name}`, import.meta.url));
  const entry = fileURLToPath(new URL(name, import.meta.url));
  buildSync({ entryPoints: [entry], bundle: true, platform: "node", format: "esm", ignoreAnnotations: true, outfile });
  return pathToFileURL(outfile);
}
