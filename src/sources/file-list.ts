/** Files a page was given: a dropped folder, an `<input type=file>`, a GGUF. */
import type { ByteSource, ModelLocation } from "../checkpoint/byte-source.ts";
import { FILES_BELOW } from "../checkpoint/pooling.ts";
import { CheckpointError, OptionError, throwIfAborted } from "../errors.ts";

/** The part of a `File` that is used. */
export interface FileLike {
  readonly name: string;
  readonly size: number;
  /** "folder/config.json" for a file of a folder that was chosen as a whole; empty or absent otherwise. */
  readonly webkitRelativePath?: string;
  slice(begin: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/**
 * One GGUF file, or the files of a model folder. If there are folders in the folder, the one with
 * `config.json` nearest the top is taken.
 *
 * @throws OptionError if there is no file
 */
export function fileListLocation(files: readonly FileLike[]): ModelLocation {
  const [first, ...others] = files;
  if (!first) throw new OptionError("files: got none, need a GGUF file or the files of a model folder");
  if (others.length === 0) return { kind: "file", file: new ChosenFile(first) };

  const folderOf = ({ webkitRelativePath = "" }: FileLike) =>
    webkitRelativePath.slice(0, webkitRelativePath.lastIndexOf("/") + 1);
  const depth = (path: string) => path.split("/").length;
  const configs = files.filter(({ name }) => name === "config.json").toSorted((a, b) => depth(folderOf(a)) - depth(folderOf(b)));
  const path = folderOf(configs[0] ?? first);
  const inFolder = new Map(files.filter((file) => folderOf(file) === path).map((file) => [file.name, file]));
  for (const below of FILES_BELOW) {
    const file = files.find(({ webkitRelativePath }) => webkitRelativePath === path + below);
    if (file) inFolder.set(below, file);
  }
  const name = path === "" ? "files" : path.slice(0, -1);
  return {
    kind: "folder",
    folder: {
      name,
      list: () => Promise.resolve([...inFolder.keys()]),
      async open(fileName) {
        const file = inFolder.get(fileName);
        if (!file) throw new CheckpointError(`${name}: ${fileName} is missing`);
        return new ChosenFile(file);
      },
    },
  };
}

class ChosenFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #file: FileLike;

  constructor(file: FileLike) {
    this.name = file.webkitRelativePath || file.name;
    this.size = file.size;
    this.#file = file;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    throwIfAborted(signal, `reading ${this.name}`);
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await this.#file.slice(offset, offset + length).arrayBuffer());
    } catch (cause) {
      // Browsers refuse a file that was changed or removed after it was chosen.
      throw new CheckpointError(`${this.name}: cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    }
    if (bytes.length === length) return bytes;
    throw new CheckpointError(`${this.name}: got ${bytes.length} bytes at ${offset}, need ${length}: the file has ${this.size}`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
