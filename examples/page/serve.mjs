/** A server of files: this folder, and a model as `model/`. node serve.mjs [PORT] */
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import sirv from "sirv";

// With these two a page has shared memory, and with it threads; without them it works with one thread.
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const setHeaders = (response) => Object.entries(headers).forEach((header) => response.setHeader(...header));
const files = (folder) => sirv(fileURLToPath(new URL(folder, import.meta.url)), { dev: true, etag: true, setHeaders });
const page = files(".");
const model = files("../../models/smollm2-135m-instruct-w4a8");

const server = createServer((request, response) => {
  const inModel = request.url.startsWith("/model/");
  if (inModel) request.url = request.url.slice("/model".length);
  (inModel ? model : page)(request, response, () => response.writeHead(404).end());
});
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
