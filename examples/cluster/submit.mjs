/**
 * Recipes x slices of a text, and a table of what they gave:
 *
 *     node submit.mjs SOURCE TEXT FOLDER RECIPE,... [CHUNKS] [CONTEXT]
 *
 * Paths are those of the workers, so that they stand for the same files on all machines.
 */
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { FlowProducer, Queue, QueueEvents } from "bullmq";
import { connect, QUEUE } from "./queue.mjs";

const CHUNKS_OF_A_SLICE = 2;
const [source, text, folder, names = "fptq", chunks = "8", context = "512"] = process.argv.slice(2);
const [connections, contextSize] = [Array.from({ length: 3 }, connect), Number(context)];
const queue = new Queue(QUEUE, { connection: connections[0] });
const flows = new FlowProducer({ connection: connections[1] });
const events = new QueueEvents(QUEUE, { connection: connections[2] });
await events.waitUntilReady();

const paths = { source: resolve(source), text: resolve(text) };
/** The same work has the same name, and is done once. */
const hash = (data) => createHash("sha256").update(JSON.stringify(data)).digest("hex").slice(0, 16);
const opts = { attempts: 3, backoff: { type: "exponential", delay: 1000 } };
events.on("progress", ({ jobId, data }) => console.error(`${jobId}: ${data} %`));
events.on("stalled", ({ jobId }) => console.error(`${jobId}: its worker is gone, another one takes it`));

async function measured(recipe) {
  const output = join(resolve(folder), recipe);
  const quantized = { source: paths.source, recipe, output };
  const made = await queue.add("quantize", quantized, { ...opts, jobId: `quantize-${recipe}-${hash(quantized)}` });
  await made.waitUntilFinished(events);
  const slices = Array.from({ length: Math.ceil(Number(chunks) / CHUNKS_OF_A_SLICE) }, (_, i) => {
    const first = i * CHUNKS_OF_A_SLICE;
    const size = Math.min(CHUNKS_OF_A_SLICE, Number(chunks) - first);
    const data = { output, text: paths.text, contextSize, first, chunks: size };
    return { name: "slice", queueName: QUEUE, data, opts: { ...opts, jobId: `slice-${recipe}-${first}-${hash(data)}` } };
  });
  const data = { recipe, slices: slices.map((slice) => slice.opts.jobId) };
  const jobId = `sum-${recipe}-${hash(data)}`;
  const { job } = await flows.add({ name: "sum", queueName: QUEUE, data, opts: { jobId }, children: slices });
  return job.waitUntilFinished(events);
}

for (const { recipe, losses } of await Promise.all(names.split(",").map(measured))) {
  const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
  console.log(`${recipe}\t${losses.length} chunks\tperplexity ${Math.exp(mean).toFixed(4)}\t${JSON.stringify(losses)}`);
}
await Promise.all([queue.close(), flows.close(), events.close()]);
for (const connection of connections) connection.disconnect();
