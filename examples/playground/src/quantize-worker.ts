/** Quantizes one model, off the main thread, and keeps the result. */
import { downloadZip } from "client-zip";
import { quantize } from "fptq";
import { BlobFolder } from "./blob-folder.ts";
import { failureOf, type QuantizeEvent, type QuantizeRequest } from "./messages.ts";
import { loadArguments, sourceName } from "./sources.ts";

const post = (event: QuantizeEvent) => postMessage(event);

const cancelling = new AbortController();
let output: BlobFolder | undefined;

addEventListener("message", ({ data: request }: MessageEvent<QuantizeRequest>) => {
  if (request.kind === "cancel") return cancelling.abort();
  const work = request.kind === "zip" ? zip() : run(request);
  work.catch((error: unknown) => {
    post(cancelling.signal.aborted ? { kind: "cancelled" } : { kind: "failed", failure: failureOf(error) });
  });
});

async function run({ source, options }: QuantizeRequest & { kind: "quantize" }): Promise<void> {
  output = new BlobFolder(`${sourceName(source).replace(/\.gguf$/i, "")}-w4a8`);
  const [what, sourceOptions] = await loadArguments(source);
  const report = await quantize(what, {
    ...sourceOptions,
    ...options,
    output,
    signal: cancelling.signal,
    onProgress: (progress) => post({ kind: "progress", progress }),
  });
  post({ kind: "quantized", files: output.files, report });
}

/** Stored, not compressed: quantized weights have nothing left to squeeze out. */
async function zip(): Promise<void> {
  const { name, files } = output!;
  const entries = files.map((file) => ({ name: `${name}/${file.name}`, input: file, lastModified: new Date(file.lastModified) }));
  post({ kind: "zipped", zip: await downloadZip(entries).blob() });
}

post({ kind: "started" });
