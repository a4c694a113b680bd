/** Where measurements find models and texts: a folder that `npm run data` fills, or that somebody has. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const DATA_FOLDER = fileURLToPath(new URL("../../build/data", import.meta.url));

/** The file in the folder, or in one of the folders in it; undefined if there is none. */
export function findData(folder: string, name: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  // A link to a folder is as good as one; a link to nothing is none.
  const inside = readdirSync(folder).filter((entry) => statSync(join(folder, entry), { throwIfNoEntry: false })?.isDirectory());
  return ["", ...inside].map((place) => join(folder, place, name)).find((path) => existsSync(path));
}

/** What to say of a file that is not there, on one line. */
export function missingData(folder: string, names: readonly string[]): string {
  const them = names.length === 1 ? "it" : "them";
  return `${folder}: got no ${names.join(", ")}, need ${them}: npm run data fetches what can be fetched, --data names a folder that has ${them}`;
}

/** @throws Error that says on one line what is missing */
export function needData(folder: string, name: string): string {
  const found = findData(folder, name);
  if (found === undefined) throw new Error(missingData(folder, [name]));
  return found;
}
