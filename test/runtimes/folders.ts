/** The suite's folders as one JSON document, so that they travel to any runtime by the same way. */
import type { ModelLocation } from "../../src/checkpoint/byte-source.ts";
import { MemoryFolder } from "../memory-folder.ts";
import type { FolderName } from "./suite.ts";

/** Folder name -> file name -> bytes in base64. */
export type FoldersJson = Record<FolderName, Record<string, string>>;

export function locationIn(folders: FoldersJson, name: FolderName): ModelLocation {
  return { kind: "folder", folder: folderIn(folders, name) };
}

export function folderIn(folders: FoldersJson, name: FolderName): MemoryFolder {
  const files = Object.entries(folders[name]).map(([fileName, base64]) => {
    return [fileName, Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))] as const;
  });
  return new MemoryFolder(name, files);
}
