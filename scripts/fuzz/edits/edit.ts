/** A change of a model's files, from choices. */
import type { Choices } from "../choices.ts";

/** Files of a case while it is made: entries may be replaced, the bytes of one never changed in place. */
export type EditedFiles = Map<string, Uint8Array>;

/** @returns what was done, in words; undefined if these files have no place for it */
export type Edit = (files: EditedFiles, choices: Choices) => string | undefined;

export const utf8 = new TextEncoder();

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Text in a description: on one line, and not endless. */
export function brief(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 100 ? `${text.slice(0, 100)}... (${text.length} characters)` : text;
}

/** The edit of one file, whatever is in it. */
export function ofFile(
  name: (files: EditedFiles, choices: Choices) => string | undefined,
  change: (bytes: Uint8Array, choices: Choices) => readonly [bytes: Uint8Array, what: string] | undefined,
): Edit {
  return (files, choices) => {
    const fileName = name(files, choices);
    const bytes = fileName === undefined ? undefined : files.get(fileName);
    const changed = bytes && change(bytes, choices);
    if (!changed) return undefined;
    files.set(fileName!, changed[0]);
    return `${fileName}: ${changed[1]}`;
  };
}

/** A name that is there, or one of those that match. */
export const named = (pattern: string | RegExp) => (files: EditedFiles, choices: Choices) => {
  if (typeof pattern === "string") return files.has(pattern) ? pattern : undefined;
  return choices.pick([...files.keys()].filter((name) => pattern.test(name)));
};
