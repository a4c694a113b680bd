import { readFileSync } from "node:fs";
import { slug } from "github-slugger";
import { globSync } from "tinyglobby";
import { type DefaultTheme, defineConfig } from "vitepress";
import { linkToPages } from "../links.ts";
import { isPage, listed, REFERENCE, root, sitePath, titleOf } from "../pages.ts";

const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as {
  description: string;
  repository?: string | { url: string };
};

/** Address of the repository's files: `FPTQ_REPOSITORY`, else from the manifest, once it names one. */
function repositoryAddress(): string | undefined {
  const given = process.env["FPTQ_REPOSITORY"];
  if (given) return given.replace(/\/?$/, "/");
  const { repository } = manifest;
  const url = typeof repository === "object" ? repository.url : repository;
  return url && `${url.replace(/^git\+/, "").replace(/\.git$/, "")}/blob/main/`;
}

const repository = repositoryAddress();
const linkOf = (file: string) => `/${sitePath(file).replace(/(^|\/)index\.md$/, "$1")}`;

const sidebar: DefaultTheme.SidebarItem[] = listed.map(({ text, files, collapsed }) => ({
  text,
  collapsed,
  items: files.map((file) => ({ text: file === "README.md" ? "What it is" : titleOf(file), link: linkOf(file) })),
}));

/** Written by TypeDoc beside its pages, with links from the root of the site. */
const referenceSidebar = JSON.parse(
  readFileSync(`${root}${REFERENCE}/typedoc-sidebar.json`, "utf8"),
) as DefaultTheme.SidebarItem[];

export default defineConfig({
  title: "fptq",
  description: manifest.description,
  lang: "en",
  base: process.env["FPTQ_SITE_BASE"] ?? "/",
  srcDir: root,
  srcExclude: globSync("**/*.md", { cwd: root, ignore: ["**/node_modules/**", "**/dist/**"] }).filter((file) => !isPage(file)),
  outDir: `${root}build/site/html`,
  cacheDir: `${root}build/site/cache`,
  rewrites: sitePath,
  // Examples say where they answer.
  ignoreDeadLinks: "localhostLinks",
  markdown: {
    // Anchors are those that the same files have on GitHub.
    anchor: { slugify: (heading) => slug(heading) },
    config(markdown) {
      linkToPages(markdown, repository);
      // Code that is indented looks like code between fences, and scrolls as it does.
      markdown.core.ruler.push("indented_code", ({ tokens }) => {
        for (const token of tokens) if (token.type === "code_block") Object.assign(token, { type: "fence", tag: "code" });
      });
    },
  },
  vite: { server: { watch: { ignored: ["**/build/site/html/**", "**/build/site/cache/**", "**/dist/**", "**/models/**"] } } },
  themeConfig: {
    nav: [
      { text: "Run", link: "/run-a-gguf" },
      { text: "Quantize", link: "/quantize" },
      { text: "Serve", link: "/serving" },
      { text: "Pages", link: "/pages" },
      { text: "Papers", link: "/papers" },
      { text: "Results", link: "/results" },
      { text: "Reference", link: "/reference/" },
    ],
    sidebar: { "/reference/": referenceSidebar, "/": sidebar },
    search: { provider: "local" },
    outline: [2, 3],
    ...(repository !== undefined && { socialLinks: [{ icon: "github", link: repository.replace(/\/blob\/.*/, "") }] }),
  },
});
