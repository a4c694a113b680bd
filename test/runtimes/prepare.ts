/**
 * What runtimes get: a directory with models, the suite in bundles, and the package linked as `npm install`
 * would.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundleForEdgeLight, bundleForPages, bundleForServers, bundleForWorkerd } from "./bundle.ts";
import { makeFolders, writeFolders, writeSmolLM2 } from "./fixtures.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Needs `npm run build` before. */
export async function prepare(): Promise<{ directory: string; smollm2: boolean }> {
  if (!existsSync(`${root}dist/index.js`)) throw new Error(`${root}dist is missing: npm run build`);
  // Inside the repository, whose ignored folder it shares.
  const directory = `${root}build/runtimes`;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(`${directory}/node_modules`, { recursive: true });
  symlinkSync(root, `${directory}/node_modules/fptq`, "junction");
  writeFolders(await makeFolders(), directory);
  const smollm2 = await writeSmolLM2(directory);
  await bundleForServers(directory);
  await bundleForPages(directory, `${root}dist`);
  await bundleForWorkerd(directory);
  await bundleForEdgeLight(directory);
  return { directory, smollm2 };
}
