/** From what a person named or dropped to what the library takes. */
import type { loadModel } from "fptq";
import type { FileSource, Source } from "./messages.ts";
import { isOutOfReach } from "./offline.ts";

/**
 * The model that comes with the page, in the folder beside it; workers are given addresses, and lie
 * elsewhere.
 */
export const EMBEDDED = globalThis.document ? new URL("model/", document.baseURI).href : "";

/** What that model is called and weighs; undefined for a page built without one. */
export const EMBEDDED_MODEL: { readonly name: string; readonly bytes: number } | undefined = EMBEDDED_MODEL_FACTS;

/** The float model of the checkpoint in this repository; undefined for a page that comes with another one. */
export const EMBEDDED_ORIGINAL =
  EMBEDDED_MODEL?.name === "SmolLM2-135M-Instruct" ? "hf:HuggingFaceTB/SmolLM2-135M-Instruct" : undefined;

type LoadModel = typeof loadModel;

/** The Hub's library is fetched for `hf:` names alone. */
export async function loadArguments(
  source: Source,
): Promise<[Parameters<LoadModel>[0], Pick<NonNullable<Parameters<LoadModel>[1]>, "hub" | "offline">]> {
  if (typeof source !== "string") return [source.files, {}];
  const offline = await isOutOfReach(source);
  return [source, source.startsWith("hf:") ? { offline, hub: await import("@huggingface/hub") } : { offline }];
}

/**
 * The model's name, as far as its address or files have it: without folders, `.gguf`, number of a part and
 * revision.
 */
export function sourceName(source: Source): string {
  if (source === EMBEDDED) return EMBEDDED_MODEL?.name ?? "the built-in model";
  const path = typeof source === "string" ? source.replace(/^hf:/, "").replace(/[?#].*$/, "") : source.name;
  const name = path.split("/").findLast((part) => part !== "") ?? path;
  return name.replace(/(-\d{5}-of-\d{5})?\.gguf$/i, "").replace(/@[^@]*$/, "") || path;
}

/** @param files of an `<input type=file>`; those of a folder know the folder's name */
export function fileSource(files: readonly File[]): FileSource {
  const [first] = files;
  return { name: first?.webkitRelativePath.split("/")[0] || first?.name || "", files };
}

/**
 * What was dropped: a file, several, or the files of a folder (those below it in folders of their own are
 * left out).
 */
export async function droppedFiles(transfer: DataTransfer): Promise<FileSource> {
  // The list is emptied when the event is over, so everything is taken from it before anything is waited for.
  const items = [...transfer.items].filter(({ kind }) => kind === "file");
  const dropped = items.map((item) => item.webkitGetAsEntry() ?? item.getAsFile()).filter((entry) => entry !== null);
  const lists = await Promise.all(dropped.map((entry) => (entry instanceof File ? [entry] : filesOf(entry))));
  return { name: dropped[0]?.name ?? "", files: lists.flat() };
}

async function filesOf(entry: FileSystemEntry): Promise<File[]> {
  const entries = entry.isDirectory ? await childrenOf(entry) : [entry];
  const files = entries.filter((child): child is FileSystemFileEntry => child.isFile);
  return Promise.all(files.map((child) => new Promise<File>((resolve, reject) => child.file(resolve, reject))));
}

async function childrenOf(folder: FileSystemEntry): Promise<FileSystemEntry[]> {
  const reader = (folder as FileSystemDirectoryEntry).createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // A reader gives some at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}
