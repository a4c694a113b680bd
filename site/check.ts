/**
 * Checks the built site as a reader gets it: every link, picture and anchor leads to something, and no page
 * asks another host for a file. VitePress itself looks for links to pages that are not there, but not at
 * anchors; linkinator passes over an anchor of a page that it has been at before.
 */
import { existsSync, readFileSync } from "node:fs";
import { globSync } from "tinyglobby";

/** Files a page loads by itself, of another host; links that a reader follows are not among them. */
const FOREIGN =
  /<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?\/\/[^"]+|<link\b[^>]*\bhref="(?:https?:)?\/\/[^"]+|url\(["']?(?:https?:)?\/\/[^)]+|@import\s+["'](?:https?:)?\/\/[^"']+/g;
const REFERENCE = /<(?:a|img|script|link|source|iframe)\b[^>]*?\s(?:href|src)="([^"]*)"/g;

/**
 * @param html folder of the built site
 * @param base path that it was built for
 * @throws Error that lists what is broken
 */
export function checkSite(html: string, base: string): void {
  const files = globSync("**/*.{html,css}", { cwd: html });
  const texts = new Map(files.map((file) => [file, readFileSync(`${html}/${file}`, "utf8")]));
  const foreign = [...texts].flatMap(([file, text]) =>
    [...text.matchAll(FOREIGN)].map(([tag]) => `${file}: loads ${tag.slice(0, 120)}`),
  );
  const pages = new Map([...texts].filter(([file]) => file.endsWith(".html")));
  const { broken, count } = brokenReferences(pages, html, base);
  // A pattern that no longer fits what VitePress writes would find nothing to be broken.
  if (count < pages.size) throw new Error(`${html}: got ${count} references, need one at least for each of ${pages.size} pages`);
  console.log(`${count} references of ${pages.size} pages checked`);
  const problems = [...foreign, ...broken];
  if (problems.length > 0) throw new Error(`got ${problems.length} problems, need none:\n${problems.join("\n")}`);
}

/** @param pages texts by their paths within the site */
function brokenReferences(
  pages: ReadonlyMap<string, string>,
  html: string,
  base: string,
): { readonly broken: readonly string[]; readonly count: number } {
  const anchors = new Map(
    [...pages].map(([page, text]) => [page, new Set([...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))]),
  );
  const broken: string[] = [];
  let count = 0;
  for (const [page, text] of pages) {
    for (const [, reference = ""] of text.matchAll(REFERENCE)) {
      const { origin, pathname, hash } = new URL(reference.replaceAll("&amp;", "&"), `http://site${base}${page}`);
      if (origin !== "http://site") continue;
      count++;
      const file = pathname.startsWith(base) ? fileOf(decodeURI(pathname.slice(base.length))) : undefined;
      const known = file !== undefined && (pages.has(file) || existsSync(`${html}/${file}`));
      const there = known && (hash === "" || (anchors.get(file)?.has(decodeURIComponent(hash.slice(1))) ?? false));
      if (!there) broken.push(`${page}: ${reference}`);
    }
  }
  return { broken, count };
}

/** What a server of files answers with. */
function fileOf(path: string): string {
  if (path === "" || path.endsWith("/")) return `${path}index.html`;
  return /\.\w+$/.test(path) ? path : `${path}.html`;
}
