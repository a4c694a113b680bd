/**
 * Packs the package as it is built, for `npm publish FILE` or `npm install FILE`.
 *
 *     npm run pack -- [FOLDER]       into build/package by default
 */
import { join, relative, resolve } from "node:path";
import { pack, ROOT } from "./package/pack.ts";

const { file, size, unpackedSize, files } = pack(resolve(process.argv[2] ?? join(ROOT, "build/package")));
const kB = (bytes: number) => `${(bytes / 1000).toFixed(0)} kB`;
console.log(`${relative(".", file)}: ${kB(size)}, ${kB(unpackedSize)} unpacked, ${files.length} files`);
