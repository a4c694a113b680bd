/** Paths as users write them in Node, Deno and Bun: a path, or a `file:` URL as an object or as text. */
import { fileURLToPath } from "node:url";
import { OptionError } from "../../errors.ts";
import { isFileUrl, isUrl } from "../../sources/file-url.ts";

/**
 * The path a user means.
 *
 * @param place a caller without types may give anything
 * @param what the option it was given for, for the message
 * @throws OptionError for a URL of another kind, or one that names no file of this machine
 */
export function pathOf(place: unknown, what: string): string {
  if (isFileUrl(place)) return pathOfFileUrl(isUrl(place) ? place.href : place, what);
  const protocol = isUrl(place) ? place.protocol : /^https?:(?=\/\/)/i.exec(String(place))?.[0].toLowerCase();
  if (protocol !== undefined) throw new OptionError(`${what}: got a URL of ${protocol}, need a path or a file: URL`);
  if (typeof place === "string" && place !== "") return place;
  throw new OptionError(`${what}: got ${place === "" ? '""' : String(place)}, need a path or a file: URL`);
}

function pathOfFileUrl(text: string, what: string): string {
  const refused = (need: string, cause?: unknown) =>
    new OptionError(`${what}: got ${JSON.stringify(text)}, need ${need}`, { cause });
  if (!/^file:\//i.test(text) || !URL.canParse(text)) {
    throw refused(`file:///PATH from the root, or ./${text} for a file of that name`);
  }
  const url = new URL(text);
  // What follows # or ? is no part of a URL's path: a name cut there would be another one.
  if (url.search !== "" || url.hash !== "") throw refused("%23 for # and %3F for ? in a file: URL, or the path");
  try {
    return fileURLToPath(url);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw refused(`a file: URL of this machine: ${reason}`, error);
  }
}
