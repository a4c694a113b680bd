/**
 * Checks the built site as a reader gets it: every link and anchor leads to something, and no page asks
 * another host for a file.
 */
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { LinkChecker, LinkState } from "linkinator";
import { globSync } from "tinyglobby";
import { serve } from "vitepress";
import { root } from "./pages.ts";

const HTML = `${root}build/site/html`;
/** Files a page loads by itself, of another host; links that a reader follows are not among them. */
const FOREIGN =
  /<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?\/\/[^"]+|<link\b[^>]*\bhref="(?:https?:)?\/\/[^"]+|url\(["']?(?:https?:)?\/\/[^)]+|@import\s+["'](?:https?:)?\/\/[^"']+/g;

/**
 * @param site folder of the configuration
 * @param base path that the site was built for
 * @throws Error that lists what is broken
 */
export async function checkSite(site: string, base: string): Promise<void> {
  const problems = [...foreignFiles(), ...(await brokenLinks(site, base))];
  if (problems.length > 0) throw new Error(`got ${problems.length} problems, need none:\n${problems.join("\n")}`);
}

function foreignFiles(): string[] {
  const files = globSync("**/*.{html,css}", { cwd: HTML });
  if (files.length === 0) throw new Error(`${HTML}: got nothing, need a site`);
  return files.flatMap((file) =>
    [...readFileSync(`${HTML}/${file}`, "utf8").matchAll(FOREIGN)].map(([tag]) => `${file}: loads ${tag.slice(0, 120)}`),
  );
}

async function brokenLinks(site: string, base: string): Promise<string[]> {
  const { server } = await serve({ root: site, base, port: 0 });
  const origin = `http://localhost:${(server!.address() as AddressInfo).port}`;
  try {
    const { links } = await new LinkChecker().check({
      path: `${origin}${base}`,
      recurse: true,
      checkFragments: true,
      // Other sites' links are theirs to keep; the check needs no network.
      linksToSkip: async (link) => !link.startsWith(`${origin}/`),
    });
    const checked = links.filter(({ state }) => state !== LinkState.SKIPPED);
    const pages = globSync("**/*.html", { cwd: HTML }).length;
    if (checked.length < pages) throw new Error(`got ${checked.length} links, need one at least to each of ${pages} pages`);
    console.log(`${checked.length} links of ${pages} pages checked`);
    return checked
      .filter(({ state }) => state === LinkState.BROKEN)
      .map(({ parent, url, status }) => `${parent?.replace(origin, "")}: ${url.replace(origin, "")} (${status})`);
  } finally {
    server!.close();
  }
}
