/**
 * Links of the Markdown, which lead from file to file of the repository, as links of the site: to a page
 * where there is one, else to the file at the repository's address, else, where nobody has said where that
 * is, to nothing: the path stands there as code.
 */
import { existsSync, statSync } from "node:fs";
import { posix, relative, sep } from "node:path";
import type { MarkdownRenderer } from "vitepress";
import { isPage, root, sitePath } from "./pages.ts";

type Token = ReturnType<MarkdownRenderer["parse"]>[number];
/** What VitePress says of the page that is rendered. */
interface Environment {
  readonly path: string;
  /** Path of the file, where `path` is that of the page in the site. */
  readonly realPath?: string;
}

/** @param repository address that paths of files are added to, with a slash at its end */
export function linkToPages(markdown: MarkdownRenderer, repository: string | undefined): void {
  markdown.core.ruler.push("repository_links", ({ tokens, env, Token }) => {
    const { path, realPath = path } = env as Environment;
    const page = relative(root, realPath).split(sep).join("/");
    const inline = (type: string, tag: string, content: string) => Object.assign(new Token(type, tag, 0), { content });
    const pathAsCode = (inner: Token[], file: string) => {
      const code = inline("code_inline", "code", file);
      const text = inner.map(({ content }) => content).join("");
      return file.endsWith(text) ? [code] : [...inner, inline("text", "", " ("), code, inline("text", "", ")")];
    };
    for (const token of tokens) {
      if (token.children) token.children = relinked(token.children, page, { repository, pathAsCode });
    }
  });
}

interface Places {
  readonly repository: string | undefined;
  /** Takes the place of a link without a place to lead to. */
  pathAsCode(inner: Token[], file: string): Token[];
}

function relinked(tokens: readonly Token[], page: string, { repository, pathAsCode }: Places): Token[] {
  const made: Token[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    const href = token.type === "link_open" ? token.attrGet("href") : null;
    if (href === null || /^([a-z][a-z+.-]*:|\/\/|#)/i.test(href)) {
      made.push(token);
      continue;
    }
    const [, name = "", rest = ""] = /^([^#?]*)(.*)$/.exec(href)!;
    const file = fileOf(posix.join(posix.dirname(page), decodeURI(name)).replace(/\/$/, ""));
    if (file === undefined) throw new Error(`${page}: got a link to ${href}, need a file of the repository`);
    if (isPage(file) || repository !== undefined) {
      token.attrSet("href", isPage(file) ? `/${sitePath(file)}${rest}` : `${repository}${file}${rest}`);
      made.push(token);
      continue;
    }
    const close = tokens.findIndex(({ type }, i) => i > at && type === "link_close");
    made.push(...pathAsCode(tokens.slice(at + 1, close), file));
    at = close;
  }
  return made;
}

/** The file that a link means; that of a folder is its page. */
function fileOf(target: string): string | undefined {
  if (!existsSync(`${root}${target}`)) return undefined;
  if (!statSync(`${root}${target}`).isDirectory()) return target;
  return [`${target}/README.md`, `${target}/index.md`].find(isPage) ?? target;
}
