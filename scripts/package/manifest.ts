/** The `package.json` that is published: that of the repository, less what is for working on it. */

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly author?: unknown;
  readonly repository?: unknown;
  readonly homepage?: unknown;
  readonly bugs?: unknown;
  readonly publishConfig?: { readonly provenance?: boolean };
  readonly [field: string]: unknown;
}

/** Scripts too: npm warns of a `prepare` in a dependency, and none of them runs without the sources. */
const FOR_WORKING_ON_IT = new Set(["scripts", "devDependencies", "allowScripts", "overrides"]);

export function publishedManifest(manifest: Manifest): Manifest {
  const entries = Object.entries(manifest).filter(([field]) => !FOR_WORKING_ON_IT.has(field));
  return Object.fromEntries(entries) as Manifest;
}

/** What a field needs, where it has none or another form. */
const NEEDED: readonly (readonly [field: string, isThere: (manifest: Manifest) => boolean, need: string])[] = [
  [
    "repository",
    ({ repository }) => isUrl(repository, "git+https://"),
    'the address of the public repository, {"type": "git", "url": "git+https://HOST/OWNER/fptq.git"}: npm shows it, and provenance is refused without it',
  ],
  ["homepage", ({ homepage }) => isUrl(homepage, "https://"), "the address of the documentation"],
  ["bugs", ({ bugs }) => isUrl(bugs, "https://"), "the address where issues are filed"],
  ["author", ({ author }) => isName(author), "who publishes it"],
  [
    "publishConfig",
    ({ publishConfig }) => publishConfig?.provenance === true,
    '"provenance": true, so that the registry shows which commit was built',
  ],
];

function isUrl(value: unknown, scheme: string): boolean {
  const url = typeof value === "object" && value !== null ? (value as { url?: unknown }).url : value;
  return typeof url === "string" && url.startsWith(scheme) && URL.canParse(url) && !/HOST|OWNER/.test(url);
}

function isName(value: unknown): boolean {
  const name = typeof value === "object" && value !== null ? (value as { name?: unknown }).name : value;
  return typeof name === "string" && name.trim() !== "";
}

/** A sentence for each field that has to be filled in before the package can be published. */
export function missingFields(manifest: Manifest): string[] {
  return NEEDED.filter(([, isThere]) => !isThere(manifest)).map(
    ([field, , need]) => `package.json: ${field}: got ${JSON.stringify(manifest[field]) ?? "none"}, need ${need}`,
  );
}

/** Sentences about files that speak of another version than the manifest. */
export function otherVersions({ version }: Manifest, files: { readonly changelog: string; readonly citation: string }): string[] {
  const found: string[] = [];
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) found.push(`package.json: version: got ${version}, need MAJOR.MINOR.PATCH`);
  const entry = new RegExp(`^## \\[?${version.replaceAll(".", "\\.")}\\]?( |$)`, "m");
  if (!entry.test(files.changelog)) found.push(`CHANGELOG.md: got no "## ${version}", need what is new in it, with its date`);
  const cited = /^version: "?([^"\n]+)/m.exec(files.citation)?.[1];
  if (cited !== version) found.push(`CITATION.cff: version: got ${cited ?? "none"}, need ${version}`);
  return found;
}
