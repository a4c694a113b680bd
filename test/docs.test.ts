/**
 * Links and paths in Markdown lead to something: who moves a file is told which pages still name the old
 * place.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("docs");
const root = fileURLToPath(new URL("..", import.meta.url));

/** Not of this repository, or made by a command. */
const SKIPPED = new Set(["node_modules", "dist", "build", ".git", ".cache", ".wrangler", ".next"]);
/**
 * Folders whose files are named by their path: from the root, or from the folder of the page (an example's
 * own `src/`).
 */
const PATH = /^(src|assembly|test|bench|scripts|docs|examples)\//;
/** `*`, `<name>`, `{a,b}`, `...`, or a word in capitals that stands for a name. */
const PLACEHOLDER = /[*<>{}$]|\.\.\.|(^|\/)[A-Z_]+(\/|$)/;

/** Text in backticks, within one paragraph. */
const CODE = /`((?:[^`\n]|\n(?!\s*\n))+)`/g;

interface Reference {
  readonly page: string;
  readonly line: number;
  /** As it is written. */
  readonly text: string;
  /** Where it may lead, from the root of the repository. */
  readonly targets: readonly string[];
}

function pages(folder = ""): string[] {
  return readdirSync(`${root}${folder}`, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return pages(path);
    return entry.isFile() && entry.name.endsWith(".md") ? [path] : [];
  });
}

/**
 * Relative links and images, and paths in backticks, of one page; fenced blocks left out. Either may go over
 * two lines.
 */
function references(page: string, markdown: string): Reference[] {
  const found: Reference[] = [];
  const beside = (path: string) => posix.join(posix.dirname(page), path);
  const prose = markdown.replaceAll(/^(```|~~~)[^]*?^\1/gm, (block) => block.replaceAll(/[^\n]/g, " "));
  const lineAt = (index: number) => prose.slice(0, index).split("\n").length;
  const plain = prose.replaceAll(CODE, (code) => code.replaceAll(/[^\n]/g, " "));
  for (const { 1: text = "", index } of plain.matchAll(/\]\(<?([^)\s>]+)>?[^)]*\)/g)) {
    if (/^([a-z][a-z+.-]*:|\/\/|#)/i.test(text)) continue;
    const target = decodeURI(text.replace(/[#?].*$/, ""));
    found.push({ page, line: lineAt(index), text, targets: [beside(target)] });
  }
  for (const { 1: quoted = "", index } of prose.matchAll(CODE)) {
    const text = quoted.replace(/(:\d+)+$/, "");
    if (!PATH.test(text) || /\s/.test(text) || PLACEHOLDER.test(text)) continue;
    found.push({ page, line: lineAt(index), text, targets: [text, beside(text)] });
  }
  return found;
}

/** A path that ends with a slash is a folder. */
function exists({ targets }: Reference): boolean {
  return targets.some((target) => {
    const path = `${root}${target}`;
    return existsSync(path) && (!target.endsWith("/") || statSync(path).isDirectory());
  });
}

const broken = (found: readonly Reference[]) =>
  found.filter((reference) => !exists(reference)).map(({ page, line, text }) => `${page}:${line}: ${text}`);

test("there are pages and references to check", () => {
  const found = pages();
  for (const page of ["README.md", "docs/kernels.md", "examples/workers/README.md"]) assert.ok(found.includes(page), page);
  assert.ok(found.flatMap((page) => references(page, readFileSync(`${root}${page}`, "utf8"))).length > 150);
});

test("what is named exists", () => {
  const found = pages().flatMap((page) => references(page, readFileSync(`${root}${page}`, "utf8")));
  assert.equal(broken(found), []);
});

test("a link and a path that lead nowhere are found, with page and line", () => {
  const page = [
    "```",
    "`src/gone.ts`",
    "```",
    "[one](kernels.md) [two](../README.md#try-it) [gone](gone.md)",
    "`src/errors.ts` `src/gone.ts` `assembly/linear/` `src/errors.ts/` ![no](gone.svg)",
  ].join("\n");
  assert.equal(broken(references("docs/page.md", page)), [
    "docs/page.md:4: gone.md",
    "docs/page.md:5: gone.svg",
    "docs/page.md:5: src/gone.ts",
    "docs/page.md:5: src/errors.ts/",
  ]);
});

test("what is no path of the repository is left alone", () => {
  const page = [
    "[web](https://example.org/gone.md) [here](#there) [mail](mailto:a@example.org) `[a](gone.md)`",
    "`src/*.ts` `src/<name>.ts` `docs/{a,b}.md` `examples/NAME/README.md` `src/...` `build/gone.ts` `npm run src/gone.ts`",
    "```",
    "[gone](gone.md) `src/gone.ts`",
    "```",
    "`a command",
    "of two lines` and `src/errors.ts`",
  ].join("\n");
  assert.equal(
    references("docs/page.md", page).map(({ text }) => text),
    ["src/errors.ts"],
  );
  assert.equal(broken(references("examples/workers/README.md", "`src/worker.ts` `src/gone.ts`")), [
    "examples/workers/README.md:1: src/gone.ts",
  ]);
});

test.run();
