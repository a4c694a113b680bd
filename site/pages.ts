/**
 * Which Markdown of the repository is which page of the site, and in what order a reader finds it. The files
 * stay where they are; what is not in a list here and not in `UNLISTED` fails the build.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { globSync } from "tinyglobby";

export const root = fileURLToPath(new URL("..", import.meta.url));
/** Where TypeDoc writes, from the root of the repository. */
export const REFERENCE = "build/site/reference";

interface Group {
  readonly text: string;
  /** Paths from the root of the repository; a pattern is for all that match, in the order of their names. */
  readonly pages: readonly string[];
  readonly collapsed?: boolean;
}

/** Groups of the sidebar, but for the reference, whose order is TypeDoc's. */
const GROUPS: readonly Group[] = [
  {
    text: "Start",
    pages: ["README.md", "docs/run-a-gguf.md", "docs/programs.md", "docs/command-line.md", "docs/loading.md", "docs/memory.md"],
  },
  {
    text: "Quantize",
    pages: [
      "docs/quantize.md",
      "docs/choose-a-recipe.md",
      "docs/overview.md",
      "docs/quantization.md",
      "docs/fptquant.md",
      "docs/checkpoint.md",
      "docs/evaluation.md",
    ],
  },
  { text: "Serve", pages: ["docs/serving.md", "docs/cluster.md", "docs/ai-sdk.md"] },
  {
    text: "Pages and Workers",
    pages: ["docs/pages.md", "docs/threads.md", "docs/edge.md", "docs/bundlers.md", "docs/doctor.md"],
  },
  { text: "Examples", pages: ["examples/*/README.md"], collapsed: true },
  {
    text: "Results",
    pages: [
      "docs/papers.md",
      "docs/results.md",
      "models/*/README.md",
      "docs/models.md",
      "docs/benchmarks.md",
      "docs/benchmarks-runtimes.md",
    ],
  },
  {
    text: "How it is made",
    pages: [
      "ARCHITECTURE.md",
      "docs/architectures.md",
      "docs/kernels.md",
      "docs/recipes.md",
      "CONTRIBUTING.md",
      "SECURITY.md",
      "CHANGELOG.md",
      "CODE_OF_CONDUCT.md",
    ],
  },
  { text: "Decisions", pages: ["docs/decisions/*.md"], collapsed: true },
  { text: "Measurements", pages: ["docs/measurements/README.md", "docs/measurements/2*.md"], collapsed: true },
];

/** Parts of another page, which are no pages. */
const UNLISTED = ["docs/results.notes.md"];

/** Groups with the files that their patterns match. */
export const listed = GROUPS.map(({ text, pages, collapsed = false }) => ({
  text,
  collapsed,
  files: pages.flatMap((pattern) => {
    const files = globSync(pattern, { cwd: root }).toSorted();
    if (files.length === 0) throw new Error(`pages.ts: got nothing for ${pattern}, need a file`);
    return files;
  }),
}));

const known = new Set([...listed.flatMap(({ files }) => files), ...UNLISTED]);
for (const file of globSync(["*.md", "docs/**/*.md", "examples/*/*.md", "models/*/*.md"], { cwd: root }))
  if (!known.has(file)) throw new Error(`${file}: got no place in the sidebar, need one in site/pages.ts`);

/**
 * Path of a page within the site, for that of its Markdown, both with `.md`: `docs/` falls away, and a README
 * is the page of its folder.
 */
export function sitePath(file: string): string {
  if (file === "README.md") return "index.md";
  if (file.startsWith(`${REFERENCE}/`)) return `reference/${file.slice(REFERENCE.length + 1)}`;
  const named = file.replace(/\/README\.md$/, "/index.md");
  if (named.startsWith("docs/")) return named.slice("docs/".length);
  return named.includes("/") ? named : `project/${named.toLowerCase()}`;
}

/** Whether a file of the repository is a page of the site. */
export const isPage = (file: string) =>
  (known.has(file) && !UNLISTED.includes(file)) || (file.startsWith(`${REFERENCE}/`) && file.endsWith(".md"));

/** First heading of a page, without its marks. */
export function titleOf(file: string): string {
  const heading = /^# (.+)$/m.exec(readFileSync(`${root}${file}`, "utf8"))?.[1];
  if (heading === undefined) throw new Error(`${file}: got no heading, need one that begins with "# "`);
  return heading.replaceAll("`", "");
}
