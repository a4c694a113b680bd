/** A file beside a model's weights: its report, its index. */
import type { Source } from "./messages.ts";

/** Longest file that is read; the report of a model with 100 layers has a few hundred kilobytes. */
const MOST_BYTES = 16 * 2 ** 20;

/**
 * @returns undefined where there is none, or where it cannot be reached: nothing that has to be there is
 *   looked for this way
 */
export async function fileBeside(source: Source, name: string): Promise<ArrayBuffer | undefined> {
  const file = await find(source, name).catch(() => undefined);
  return file && file.size <= MOST_BYTES ? file.arrayBuffer() : undefined;
}

async function find(source: Source, name: string): Promise<Blob | undefined> {
  if (typeof source !== "string") return source.files.find((file) => file.name === name);
  if (/\.gguf($|[?#])/i.test(source)) return undefined;
  const address = source.startsWith("hf:") ? hubAddress(source.slice(3), name) : folderOf(source) + name;
  if (address === undefined) return undefined;
  const response = await fetch(address);
  return response.ok ? response.blob() : undefined;
}

/** That of the file of a folder, or of the folder, on whichever server. */
const folderOf = (url: string) => url.replace(/[?#].*$/, "").replace(/[^/]*\.json$|(?<!\/)$/, (last) => (last === "" ? "/" : ""));

/** `ORG/MODEL`, `@REVISION`, `/PATH`; a GGUF by a part of its name (`:Q4_1`) has nothing beside it. */
function hubAddress(model: string, name: string): string | undefined {
  const parts = /^([\w.-]+\/[\w.-]+)(?:@([^/:]+))?((?:\/[^:]*)?)$/.exec(model);
  if (!parts) return undefined;
  const [, repository, revision = "main", path = ""] = parts;
  return `https://huggingface.co/${repository}/resolve/${encodeURIComponent(revision)}${path.replace(/\/$/, "")}/${name}`;
}
