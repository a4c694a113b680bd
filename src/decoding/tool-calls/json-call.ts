/** Calls of functions as JSON objects: a name, and arguments under a name that differs between models. */
import { isJsonObject } from "../../json-object.ts";
import type { Ending, FoundCall } from "./answer-parser.ts";

type Field = "arguments" | "parameters";

/** @returns undefined for text that is no JSON, or not of this shape */
export function callIn(text: string, field: Field): FoundCall | undefined {
  return callOf(parsed(text), field);
}

/** @returns undefined for what is not of this shape */
export function callOf(json: unknown, field: Field): FoundCall | undefined {
  if (!isJsonObject(json) || typeof json["name"] !== "string") return undefined;
  const given = json[field] ?? {};
  return { name: json["name"], arguments: typeof given === "string" ? given : JSON.stringify(given) };
}

/** @returns undefined for text that is no JSON */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Where the object or array that begins at a place of a text ends; undefined if it does not. */
export function jsonEnd(text: string, begin: number): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let at = begin; at < text.length; at++) {
    const char = text[at]!;
    if (quoted) {
      if (char === "\\") at++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "{" || char === "[") depth++;
    else if ((char === "}" || char === "]") && --depth === 0) return at + 1;
  }
  return undefined;
}

/** The first place of a mark that stands in no string of JSON; undefined while there is none. */
export function markBehindJson(text: string, mark: string): Ending | undefined {
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + 1))
    if (!isQuoted(text, at)) return { at, behind: at + mark.length };
  return undefined;
}

/** Whether a place of a JSON text is in a string. */
function isQuoted(text: string, place: number): boolean {
  let quoted = false;
  for (let at = 0; at < place; at++) {
    if (text[at] === '"') quoted = !quoted;
    else if (quoted && text[at] === "\\") at++;
  }
  return quoted;
}
