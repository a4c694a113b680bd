/** What is built: how much of it a first visit loads, and the files beside the page. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { assert, type Checks } from "../../../test/checks.ts";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
/** Bytes, compressed with gzip, of the page and all it needs to run a model; models apart. */
const BUDGET = 300_000;
/**
 * Loaded only for `hf:` names, only to quantize, only by other hosts; `sw.js` after everything else. An
 * engine loads either the relaxed kernels or those of simd128, which are smaller.
 */
const LATER =
  /^assets\/(browser-|sha256-|FileBlob-|sub-paths-|quantize-worker-|fptq-quantizer-|fptq-(kept-)?simd128-)|^sw\.js$|^_headers$|\.nginx\.conf$/;

export async function checkSite(checks: Checks, headers: Headers): Promise<void> {
  await checks.check(`what a visit loads is below ${BUDGET / 1000} kB, compressed with gzip`, async () => {
    const files = readdirSync(dist, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => `${parentPath}/${name}`.replaceAll("\\", "/").slice(dist.length).replace(/^\//, ""));
    const loaded = files.filter((file) => !LATER.test(file));
    const bytes = loaded.reduce((sum, file) => sum + gzipSync(readFileSync(`${dist}${file}`), { level: 9 }).length, 0);
    assert(
      loaded.some((file) => file.startsWith("assets/engine-worker-")) && bytes <= BUDGET,
      `${bytes} bytes: ${loaded.join(", ")}`,
    );
    return `${loaded.length} files, ${(bytes / 1000).toFixed(0)} kB`;
  });

  await checks.check("headers for other hosts are those that are served here", async () => {
    const read = (file: string) => readFileSync(`${dist}${file}`, "utf8");
    const lines = new Set(
      read("_headers")
        .split("\n")
        .map((line) => line.trim()),
    );
    for (const line of read("headers.nginx.conf").trim().split("\n")) {
      const [, name, value] = /^add_header (\S+) "([^"]*)" always;$/.exec(line)!;
      assert(headers.get(name!) === value, `${name}: ${value} and ${headers.get(name!)}`);
      assert(lines.has(`${name}: ${value}`), `_headers lacks ${name}`);
    }
  });

  await checks.check("the page can be installed", async () => {
    const manifest = JSON.parse(readFileSync(`${dist}manifest.webmanifest`, "utf8")) as {
      icons: { src: string; sizes: string }[];
    };
    for (const { src, sizes } of manifest.icons) {
      const png = readFileSync(`${dist}${src}`);
      const size = `${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`;
      assert(png.toString("latin1", 1, 4) === "PNG" && size === sizes, `${src}: ${size}`);
    }
  });
}
