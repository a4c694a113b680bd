/**
 * Comments can be read: no line of them is longer than 110 columns, and no sentence begins with "Of". Fields
 * of classes are `#private`. The path of a script in backquotes leads to one.
 *
 * A comment is a line that begins with two slashes, or one within a block that begins a line; behind code a
 * line is as long as the formatter lets it be.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("prose");
const root = fileURLToPath(new URL("..", import.meta.url));

const COLUMNS = 110;
const FOLDERS = ["src", "assembly", "test", "bench", "scripts", "examples", "site"];
const NOT_OURS = /(^|\/)(node_modules|dist|build|\.next|\.wrangler)\//;

interface Comment {
  /** Number of its first line, counted from 1. */
  readonly line: number;
  readonly lines: readonly string[];
}

/** The comments of a file that stand on lines of their own; consecutive lines of two slashes are one. */
function commentsOf(source: string): Comment[] {
  const comments: Comment[] = [];
  const lines = source.split("\n");
  for (let at = 0, end = 0; at < lines.length; at = end) {
    const first = lines[at]!.trim();
    end = at + 1;
    if (first.startsWith("//")) while (lines[end]?.trim().startsWith("//")) end++;
    else if (first.startsWith("/*")) while (end < lines.length && !lines[end - 1]!.includes("*/")) end++;
    else continue;
    comments.push({ line: at + 1, lines: lines.slice(at, end) });
  }
  return comments;
}

/** The text of a comment without its marks, on one line, `¶` where a paragraph or a tag begins. */
function textOf({ lines }: Comment): string {
  const bare = lines.map((line) =>
    line
      .trim()
      .replace(/^(\/\*\*?|\*\/|\*|\/\/)\s?|\*\/$/g, "")
      .replace(/\*\/$/, "")
      .trim(),
  );
  return bare.map((line) => (line === "" ? "¶" : line.replace(/^@(param )?\S+/, "¶"))).join(" ");
}

const OF = /(^|[.!?:;¶)]["'`)]?\s+)Of\s/;
const PATH = /`((?:src|assembly|test|bench|scripts)\/[\w./-]+\.ts)`/g;
const PRIVATE =
  /^\s*private (?!constructor)(static |readonly |async |get |set )*[\w#]+\s*[(:=?!<;]|[(,]\s*private (readonly )?\w+\s*[:?]/m;

/** Lines of a file that break a rule, with the rule. */
function offences(file: string, source: string): string[] {
  const found: string[] = [];
  for (const comment of commentsOf(source)) {
    for (const [i, line] of comment.lines.entries()) {
      if (line.length > COLUMNS) found.push(`${file}:${comment.line + i}: got ${line.length} columns, need at most ${COLUMNS}`);
    }
    for (const [, path] of textOf(comment).matchAll(PATH)) {
      if (!existsSync(`${root}${path}`)) found.push(`${file}:${comment.line}: got ${path}, need a file that exists`);
    }
    if (OF.test(textOf(comment))) found.push(`${file}:${comment.line}: got a sentence that begins with "Of"`);
  }
  if (file.startsWith("src/") && PRIVATE.test(source)) found.push(`${file}: got a private member, need #private`);
  return found;
}

const files = FOLDERS.flatMap((folder) =>
  readdirSync(`${root}/${folder}`, { recursive: true, encoding: "utf8" }).map(
    (file) => `${folder}/${file.replaceAll("\\", "/")}`,
  ),
).filter((file) => /\.(ts|mts|mjs|js)$/.test(file) && !NOT_OURS.test(file));

const broken = new Map(files.map((file) => [file, offences(file, readFileSync(`${root}/${file}`, "utf8"))]));

for (const [what, source, count] of [
  ["a line of 110 columns", `// ${"x".repeat(107)}`, 0],
  ["a line of 111 columns", `// ${"x".repeat(108)}`, 1],
  ["two in a block", `/**\n * ${"x".repeat(108)}\n * short\n * ${"x".repeat(120)} */`, 2],
  ["code behind which a comment stands", `const x = "${"x".repeat(120)}"; // short`, 0],
  ["Of at the start", "/** Of a thing. */", 1],
  ["Of behind a sentence", "// One ends.\n// Of the next.", 1],
  ["Of behind a tag", "/**\n * Does.\n * @param x Of it\n */", 1],
  ["Of behind a paragraph", "/**\n * Does\n *\n * Of it\n */", 1],
  ["of within a sentence", "/** Parts of a thing. The Book Of Kells, Often. */", 0],
  ["a path to nothing", "/** Twin of `src/gone.ts`. */", 1],
  ["a path to a file, and one of another project", "/** As `src/need.ts` and `src/llama-vocab.cpp` have it. */", 0],
  ["a private field", "class A {\n  private readonly x = 1;\n}", 1],
  ["a private parameter", "class A {\n  constructor(private readonly x: number) {}\n}", 1],
  ["a private method", "class A {\n  private static async load(): void {}\n}", 1],
  ["a private constructor, which # cannot say", "class A {\n  private constructor(x: number) {}\n}", 0],
  ["the word private", 'const text = "private";\n// private (not public)\nfetch(text);', 0],
] as const) {
  test(`finds: ${what}`, () => assert.is(offences("src/example.ts", source).length, count));
}

test("there are files to check", () => assert.ok(files.length > 400, `${files.length} files`));

test("comments are at most 110 columns wide, begin no sentence with Of; members are #private", () => {
  assert.equal([...broken.values()].flat(), []);
});

test.run();
