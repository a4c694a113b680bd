/** Options of every command that takes a model: where one that is not on disk comes from. */
import type { Command } from "commander";
import { folderBlockStore } from "../../host/node/node-block-store.ts";
import type { SourceOptions } from "../../sources/locate-model.ts";
import { nonEmpty } from "./option-values.ts";

/** The forms of a model's name, for help. */
export const SOURCE_FORMS = "a path, a URL, or hf:ORG/MODEL";

export interface SourceFlags {
  readonly offline?: boolean | undefined;
  readonly cache?: string | undefined;
}

export function addSourceOptions(command: Command): Command {
  return command
    .option("--offline", "use only what was downloaded before")
    .option(
      "--cache <dir>",
      "keep downloads here (default: FPTQ_CACHE, or fptq in the user's cache; HF_HUB_CACHE for hf:)",
      nonEmpty,
    );
}

/** The same, for the library. */
export function sourceOptions({ offline, cache }: SourceFlags): SourceOptions {
  return { ...(offline && { offline }), ...(cache !== undefined && { cache: folderBlockStore(cache) }) };
}
