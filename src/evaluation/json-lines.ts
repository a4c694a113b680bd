/** Test items from JSON Lines: one object a line, ended by \n or \r\n; blank lines between are skipped. */
import { isJsonObject, type JsonObject } from "../json-object.ts";
import { OptionError } from "../errors.ts";

export interface JsonLine {
  readonly object: JsonObject;
  /** The file's name and the line, counted from 1, for messages. */
  readonly name: string;
}

/**
 * @param name of the file, for messages
 * @throws OptionError naming the first line that is no JSON object, or the file if it has none
 */
export function parseJsonLines(content: string, name: string): JsonLine[] {
  const lines: JsonLine[] = [];
  for (const [index, line] of content.split("\n").entries()) {
    if (line.trim() === "") continue;
    const at = `${name}, line ${index + 1}`;
    let object: unknown;
    try {
      object = JSON.parse(line);
    } catch (cause) {
      throw new OptionError(`${at}: got text that is not JSON, need a JSON object`, { cause });
    }
    if (!isJsonObject(object)) throw new OptionError(`${at}: got ${kindOf(object)}, need a JSON object`);
    lines.push({ object, name: at });
  }
  if (lines.length === 0) throw new OptionError(`${name}: got no line with an item, need at least one`);
  return lines;
}

/** @throws OptionError naming line and field unless the field is a string */
export function stringField({ object, name }: JsonLine, field: string): string {
  const value = object[field];
  if (typeof value !== "string") throw new OptionError(`${name}: "${field}": got ${kindOf(value)}, need a string`);
  return value;
}

/** The kind of a JSON value, in the words of messages. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return value === "" ? "an empty string" : "a string";
  return String(value as number | boolean);
}
