/**
 * The context `main.ts` gives every command; everything a command touches of the outside comes through here.
 */
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { CheckpointError } from "../errors.ts";
import { pathOf } from "../host/node/node-paths.ts";
import type { Library, ServerLibrary } from "./library-contract.ts";
import type { Output } from "./output.ts";

export interface CommandContext {
  readonly output: Output;
  /** stdin; `isTTY` says whether a person types there. */
  readonly input: Readable & { readonly isTTY?: boolean };
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly library: () => Promise<Library>;
  /** What `serve` needs besides: loaded by that command alone. */
  readonly server: () => Promise<ServerLibrary>;
}

/**
 * The text of a file named on the command line.
 *
 * @param option for the message: "--calibration"
 * @param path "-" for stdin; a `file:` URL will do
 * @throws CheckpointError if there is no such file, it cannot be read or is not UTF-8; OptionError for
 *   another URL
 */
export async function readTextFile(context: CommandContext, option: string, path: string): Promise<string> {
  const file = path === "-" ? undefined : pathOf(path, option);
  let bytes: Uint8Array;
  try {
    bytes = file === undefined ? await readAll(context.input) : await readFile(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : (error as Error).message;
    throw new CheckpointError(`${option} ${path}: cannot be read: ${reason}`, { cause: error });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CheckpointError(`${option} ${path}: got bytes that are not UTF-8, need a UTF-8 text file`, { cause: error });
  }
}

async function readAll(stream: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** Lines of a text, without the end of each; what is behind the last one is none. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}
