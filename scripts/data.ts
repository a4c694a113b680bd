/**
 * Fetches the models and texts that the figures in docs/ are of, each compared with its digest.
 *
 *     npm run data -- [NAME ...] [--data build/data] [--list]
 *
 * Files whose name contains a NAME, or all. What is there is left alone. What nobody may hand out is named,
 * with where it is from.
 */
import { relative } from "node:path";
import { parseArgs } from "node:util";
import { displayProgress } from "../src/cli/progress-display.ts";
import { FptqError } from "../src/errors.ts";
import { DATA_FILES, type DataFile } from "./data/catalogue.ts";
import { DATA_FOLDER, findData } from "./data/data-folder.ts";
import { fetchData } from "./data/fetch-data.ts";

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { data: { type: "string", default: DATA_FOLDER }, list: { type: "boolean", default: false } },
});
const files: readonly DataFile[] = DATA_FILES.filter(
  ({ name }) => names.length === 0 || names.some((word) => name.toLowerCase().includes(word.toLowerCase())),
);
const source = ({ source: from }: DataFile) => (from.kind === "hub" ? from.name : from.kind === "url" ? from.url : from.how);

if (files.length === 0) {
  console.error(`got ${names.join(", ")}, need a part of ${DATA_FILES.map(({ name }) => name).join(", ")}`);
  process.exitCode = 2;
} else if (flags.list) {
  for (const file of files) {
    const state = findData(flags.data, file.name) ? "there" : file.source.kind === "owner" ? "cannot be fetched" : "to fetch";
    console.log(
      `${file.name}  ${(file.bytes / 1e6).toFixed(1)} MB, ${state}\n  ${file.licence}\n  ${source(file)}\n  SHA-256 ${file.sha256}`,
    );
  }
} else {
  const interruption = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interruption.abort());
  let failed = 0;
  let there = 0;
  for (const file of files) {
    if (file.source.kind === "owner" && findData(flags.data, file.name) === undefined) {
      console.log(`${file.name}: left out, cannot be fetched: ${file.source.how}`);
      continue;
    }
    using progress = displayProgress(process.stderr);
    const { onProgress } = progress;
    try {
      const how = await fetchData(file, flags.data, { signal: interruption.signal, onProgress, onWarning: console.error });
      there++;
      console.log(`${file.name}: ${how === "present" ? "there already" : `fetched from ${source(file)}`}`);
    } catch (error) {
      if (!(error instanceof FptqError)) throw error;
      failed++;
      console.error(error.message);
      if (interruption.signal.aborted) break;
    }
  }
  console.log(`${there} of ${files.length} in ${relative(".", flags.data) || "."}`);
  process.exitCode = failed > 0 ? 1 : 0;
}
