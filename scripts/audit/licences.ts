/** The licences of what a user of the package installs with it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BUNDLED } from "../bundled-packages.ts";

/** Licences that ask for no more than a notice, by SPDX identifier. */
const ALLOWED: ReadonlySet<string> = new Set([
  "MIT",
  "ISC",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "BlueOak-1.0.0",
  "Unlicense",
  "CC0-1.0",
  "Python-2.0",
]);

export interface LicensedPackage {
  readonly name: string;
  readonly version: string;
  /** Each place that says something: the lockfile, the installed package. */
  readonly licences: readonly string[];
}

interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly license?: unknown;
}

/**
 * Packages of the lockfile that are not for development alone, and those whose code is in what is published.
 *
 * @param root folder of `package-lock.json`, and of `node_modules` if they are installed
 */
export function productionPackages(root: string): LicensedPackage[] {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, LockEntry> };
  return Object.entries(lock.packages)
    .filter(([place, { dev }]) => place !== "" && (dev !== true || BUNDLED.some((name) => place === `node_modules/${name}`)))
    .map(([place, { version = "", license }]) => {
      const manifest = join(root, place, "package.json");
      const installed = existsSync(manifest)
        ? (JSON.parse(readFileSync(manifest, "utf8")) as { license?: unknown; licenses?: unknown })
        : undefined;
      const said = [license, installed?.license ?? installed?.licenses].filter((value) => value !== undefined);
      const name = place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
      return { name, version, licences: [...new Set(said.map(expression))] };
    });
}

/** Texts as they are; the objects of old manifests by their type. */
function expression(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(expression).join(" OR ");
  const type = typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
  return typeof type === "string" ? type : "unreadable";
}

/** Whether allowed licences meet an SPDX expression; one with both AND and OR is not understood. */
export function isAllowed(licence: string): boolean {
  const bare = licence.replaceAll(/[()]/g, " ").trim();
  const [any, all] = [bare.split(/\s+OR\s+/), bare.split(/\s+AND\s+/)];
  if (any.length > 1 && all.length > 1) return false;
  return any.length > 1 ? any.some((part) => ALLOWED.has(part)) : all.every((part) => ALLOWED.has(part));
}

/** One line for each package with a licence that is not allowed, or none. */
export function licenceFailures(packages: readonly LicensedPackage[]): string[] {
  return packages
    .filter(({ licences }) => licences.length === 0 || !licences.every(isAllowed))
    .map(({ name, version, licences }) => {
      const got = licences.length === 0 ? "no licence" : licences.map((licence) => `"${licence}"`).join(" and ");
      return `${name} ${version}: licence: got ${got}, need one of ${[...ALLOWED].join(", ")}`;
    });
}
