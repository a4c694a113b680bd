/**
 * Links and paths in Markdown lead to something: who moves a file is told which pages still name the old
 * place. Figures that stand in two pages are the same.
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

/** Cells of each row of the tables in a page, by the heads of their columns. */
function tableRows(markdown: string): Record<string, string>[] {
  const rows: Record<string, string>[] = [];
  for (const [table] of markdown.matchAll(/^\|.*\|\n\|[ :|-]+\|\n(\|.*\|\n?)+/gm)) {
    const [head = [], , ...body] = table.trimEnd().split("\n").map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim())); // prettier-ignore
    for (const cells of body) rows.push(Object.fromEntries(head.map((name, i) => [name, cells[i] ?? ""])));
  }
  return rows;
}

/** Rows of `docs/papers.md` that `docs/results.md` has not, or with other figures. */
function otherFigures(papers: string, results: string): string[] {
  const measured = tableRows(results);
  return tableRows(papers).flatMap(({ "our row": name, ...cells }) => {
    if (name === undefined) return [];
    const same = measured.some(
      (row) => row[""] === name && ["ratio", "LAMBADA, %"].every((key) => (cells[key] ?? row[key]) === row[key]),
    );
    return same ? [] : [name];
  });
}

test("figures beside those of papers are those of the results", () => {
  const [papers, results] = ["papers", "results"].map((page) => readFileSync(`${root}docs/${page}.md`, "utf8")) as [
    string,
    string,
  ];
  assert.ok(tableRows(papers).filter((row) => "our row" in row).length > 10);
  assert.equal(otherFigures(papers, results), []);
  assert.equal(otherFigures(papers.replace("19.6 ± 1.8", "19.7 ± 1.8"), results), ["FPTQ"]);
});

test.run();
