/**
 * Edits of JSON as what it is: a place is found by walking down, so that a key at the top is as likely as all
 * of a vocabulary.
 */
import type { Choices } from "../choices.ts";
import { editText } from "./byte-edits.ts";
import { brief, type EditedFiles, type Edit, ofFile, textOf, utf8 } from "./edit.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Numbers as text, since some of them are none to `JSON.parse`. */
const RAW = ["-1", "0", "1", "2", "3", "7", "1.5", "-0", "1e3", "1e308", "1e999", "-1e999", "9007199254740991", "9007199254740993",
  "18446744073709551616", "4294967296", "2147483647", "65536", "0.1", "1e-320", "00", "NaN", "9".repeat(400), "null", "true", "false"]; // prettier-ignore
const STRINGS = ["", "x", "__proto__", "constructor", "toString", "hasOwnProperty", "\u0000", "\ud800", "a".repeat(5000), "re:.*", "../../etc/passwd", "1"]; // prettier-ignore
const BRACKETS = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "\\",
  "\\u0000",
  "[".repeat(500),
  '{"a":'.repeat(100),
  "//",
  "\u0000",
  "\ufeff",
];
/** Marks text that goes into the file as it is. */
const MARK = "\u0001raw:";

/** What a kind knows of its JSON. */
export interface JsonWords {
  /** Keys with values that mean something. */
  readonly entries?: readonly (readonly [key: string, values: readonly Json[]])[];
  /** Values that mean something somewhere. */
  readonly values?: readonly Json[];
  /** Where to begin, most of the time: a path of keys. */
  readonly focus?: readonly (readonly string[])[];
}

interface Place {
  readonly parent: Json[] | { [key: string]: Json };
  readonly key: string | number;
  readonly path: string;
}

/** Walks down from `root`: at each level any child, until it stops by chance or there are none. */
function place(root: Json, choices: Choices, { focus = [] }: JsonWords): Place | undefined {
  let found: Place | undefined;
  let node = root;
  const path = focus.length > 0 && choices.chance(0.7) ? [...choices.pick(focus)] : [];
  while (typeof node === "object" && node !== null) {
    const keys: (string | number)[] = Array.isArray(node) ? [...node.keys()] : Object.keys(node);
    if (keys.length === 0) break;
    const next = path.shift();
    const key = next !== undefined && keys.includes(next) ? next : choices.pick(keys);
    found = { parent: node as never, key, path: found ? `${found.path}.${key}` : `${key}` };
    node = (node as never)[key];
    if (path.length === 0 && choices.chance(0.3)) break;
  }
  return found;
}

function hostile(choices: Choices, { values = [] }: JsonWords): Json {
  if (values.length > 0 && choices.chance(0.5)) return choices.pick(values);
  if (choices.chance(0.6)) return MARK + choices.pick(RAW);
  if (choices.chance(0.6)) return choices.pick(STRINGS);
  return choices.pick<Json>([[], {}, [[]], [0], { a: 0 }, [null], ["", ""], Array.from({ length: 3000 }, () => 0)]);
}

/** @returns the edited text; of text that is no JSON, damaged as text */
export function editJson(text: string, choices: Choices, words: JsonWords): readonly [text: string, what: string] {
  let root: Json;
  try {
    root = JSON.parse(text) as Json;
  } catch {
    return editText(text, choices, BRACKETS);
  }
  if (choices.chance(0.08)) return editText(text, choices, BRACKETS);
  const at = place(root, choices, words);
  const what = at && structural(root, at, choices, words);
  return what === undefined ? editText(text, choices, BRACKETS) : [write(root), what];
}

function structural(root: Json, { parent, key, path }: Place, choices: Choices, words: JsonWords): string | undefined {
  const entries = words.entries ?? [];
  const put = (target: object, name: string | number, value: Json) =>
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  const object = Array.isArray(parent) ? undefined : parent;
  switch (choices.below(entries.length > 0 ? 9 : 7)) {
    case 0:
      if (object) delete object[key];
      else (parent as Json[]).splice(Number(key), 1);
      return `${path} removed`;
    case 1: {
      const other = place(root, choices, words)!;
      const value = structuredClone((other.parent as never)[other.key]) as Json;
      put(parent, key, value);
      return `${path} := ${other.path}, ${brief(value)}`;
    }
    case 2: {
      if (!object) {
        const times = choices.pick([1, 2, 500]);
        (parent as Json[]).splice(Number(key), 0, ...Array.from({ length: times }, () => (parent as Json[])[Number(key)]!));
        return `${path} repeated ${times} times`;
      }
      const name = choices.pick([...STRINGS, ...Object.keys(object)]);
      const value = object[key]!;
      delete object[key];
      put(object, name, value);
      return `${path} renamed to ${brief(name)}`;
    }
    case 3: {
      if (!object) return undefined;
      // Two keys of one name, which only text can have.
      const value = hostile(choices, words);
      put(object, `${MARK}${JSON.stringify(key)}`, value);
      return `${path} a second time, ${shownJson(value)}`;
    }
    case 7:
    case 8: {
      const [name, values] = choices.pick(entries);
      const target = object ?? (root as { [key: string]: Json });
      const value = choices.chance(0.8) ? choices.pick(values) : hostile(choices, words);
      put(target, name, structuredClone(value));
      return `${object ? path.split(".").slice(0, -1).concat(name).join(".") : name} := ${shownJson(value)}`;
    }
    default: {
      const value = hostile(choices, words);
      put(parent, key, structuredClone(value));
      return `${path} := ${shownJson(value)}`;
    }
  }
}

const shownJson = (value: Json) =>
  typeof value === "string" && value.startsWith(MARK) ? value.slice(MARK.length) : brief(value);

function write(root: Json): string {
  return JSON.stringify(root).replaceAll(/"\\u0001raw:((?:[^"\\]|\\.)*)"/g, (_, raw: string) => JSON.parse(`"${raw}"`) as string);
}

/** Edits of one JSON file. */
export function jsonEdit(name: (files: EditedFiles, choices: Choices) => string | undefined, words: JsonWords = {}): Edit {
  return ofFile(name, (bytes, choices) => {
    const [text, what] = editJson(textOf(bytes), choices, words);
    return [utf8.encode(text), what];
  });
}

// --- what JSON may be changed in without a change of meaning

/** Keys in another order, at every depth. */
function reordered(value: Json, choices: Choices): Json {
  if (Array.isArray(value)) return value.map((item) => reordered(item, choices));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(choices.shuffled(Object.entries(value)).map(([key, item]) => [key, reordered(item, choices)]));
}

/** Text of the same meaning: white space, order of keys, escapes; with `unknown` also a key nobody knows. */
export function neutralJson(text: string, choices: Choices, unknown: boolean): readonly [text: string, what: string] {
  const root = JSON.parse(text) as { [key: string]: Json };
  switch (choices.below(unknown ? 4 : 3)) {
    case 0: {
      const space = choices.pick(["  ", "\t", " \r\n "]);
      const spaced = JSON.stringify(root, null, "  ").replaceAll(/\n */g, (gap) => `\n${space.repeat(gap.length / 2)}`);
      return [`${spaced}${choices.pick(["", "\n", " \t\r\n"])}`, `white space of ${JSON.stringify(space)}`];
    }
    case 1:
      return [JSON.stringify(reordered(root, choices)), "keys in another order"];
    case 2:
      // Every character that is no ASCII as an escape.
      return [JSON.stringify(root).replaceAll(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`), "characters as escapes"];
    default: {
      const value = choices.pick<Json>([null, 1e300, "x".repeat(300), [1, [2, { a: null }]], { type: "none" }, false]);
      return [JSON.stringify({ [`x_${choices.below(1000)}`]: value, ...root }), `a key nobody knows, ${brief(value)}`];
    }
  }
} // prettier-ignore

export function neutralJsonEdit(name: (files: EditedFiles, choices: Choices) => string | undefined, unknown = true): Edit {
  return ofFile(name, (bytes, choices) => {
    const [text, what] = neutralJson(textOf(bytes), choices, unknown);
    return [utf8.encode(text), what];
  });
}
