/**
 * Which packages are parts of the published files, and which are installed beside them.
 *
 * What a page needs is bundled: browsers resolve relative addresses, and import maps, which would say where
 * packages are, do not reach workers. So `dist/browser.js` works from any server of files.
 */
import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
};

/** They are `devDependencies`; their licences are checked like those of dependencies (`npm run audit`). */
export const BUNDLED: readonly string[] = [
  "@assemblyscript/loader",
  "@huggingface/tokenizers",
  "@noble/hashes",
  "leven",
  "wasm-feature-detect",
];

export const INSTALLED: readonly string[] = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
