/**
 * Files that are built beside the page: a manifest and icons so that it can be installed, the list of what
 * its service worker keeps, and the headers it needs, in the forms of hosts.
 */
import { createHash } from "node:crypto";
import type { Plugin } from "vite";
import { iconPng } from "./icons.ts";

const ICON_SIZES = [180, 192, 512] as const;

const MANIFEST = {
  name: "fptq playground",
  short_name: "fptq",
  description: "Chat with a 4-bit language model that runs in this page",
  start_url: "./",
  scope: "./",
  display: "standalone",
  background_color: "#15181a",
  theme_color: "#1f6f78",
  icons: [192, 512].map((size) => ({
    src: `icon-${size}.png`,
    sizes: `${size}x${size}`,
    type: "image/png",
    purpose: "any maskable",
  })),
};

/** Not asked for by the page. */
const UNUSED = /\.(html|map)$|^_headers$|^headers\.nginx\.conf$|^sw\.js$/;

/** @param headers of every answer of the page's server */
export function staticFiles(headers: Readonly<Record<string, string>>): Plugin {
  return {
    name: "static-files",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const emit = (fileName: string, source: string | Uint8Array) => this.emitFile({ type: "asset", fileName, source });
        for (const size of ICON_SIZES) emit(`icon-${size}.png`, iconPng(size));
        emit("manifest.webmanifest", JSON.stringify(MANIFEST));
        emit("_headers", hostHeaders(headers));
        emit("headers.nginx.conf", nginxHeaders(headers));
        const extra = ["manifest.webmanifest", ...ICON_SIZES.map((size) => `icon-${size}.png`)];
        const files = [...Object.keys(bundle).filter((name) => !UNUSED.test(name)), ...extra];
        const unique = [...new Set(files)].toSorted();
        const worker = bundle["sw.js"];
        if (worker?.type !== "chunk") throw new Error("sw.js: got no script, need the service worker among what is built");
        const version = createHash("sha256").update(JSON.stringify(unique)).digest("hex").slice(0, 16);
        const shell = JSON.stringify(JSON.stringify({ version, files: unique })).slice(1, -1);
        worker.code = worker.code.replace("SHELL_OF_THE_PAGE", () => shell.replaceAll("`", "\\`"));
        if (!worker.code.includes(version)) throw new Error("sw.js: got no place for the list of files");
      },
    },
  };
}

/** As Cloudflare Pages and Netlify read them. The model's files may be kept, the page is asked for again. */
function hostHeaders(headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`);
  return `/*\n${lines.join("\n")}\n/assets/*\n  Cache-Control: public, max-age=31536000, immutable\n`;
}

/** To be included in the `location` of the page. */
function nginxHeaders(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `add_header ${name} "${value}" always;\n`)
    .join("");
}
