/** Does what is in the queue until it is ended: node worker.mjs; start one for each core or machine. */
import { existsSync, readFileSync } from "node:fs";
import { Worker } from "bullmq";
import { loadModel, perplexity, quantize } from "fptq";
import { connect, QUEUE } from "./queue.mjs";

/** After so long without a sign of its worker a job is another's. */
const lockDuration = Number(process.env.LOCK_MS ?? 30_000);

const work = {
  /** A folder is there whole or not at all, so that a job done twice does no harm. */
  async quantize({ source, recipe, output }, job) {
    if (existsSync(output)) return;
    const onProgress = ({ done, total }) => void job.updateProgress(Math.round((100 * done) / total));
    await quantize(source, { recipe, output, force: true, threads: 1, onProgress });
  },
  /** The mean loss of each of some chunks of the text. */
  async slice({ output, text, contextSize, first, chunks }) {
    const model = await loadModel(output, { contextSize, threads: 1 });
    try {
      const ids = model.tokenizer.encode(readFileSync(text, "utf8"), { addSpecialTokens: false, parseSpecial: false });
      const own = ids.slice(first * contextSize, (first + chunks) * contextSize);
      return [...(await perplexity(model, own, { contextSize })).meanNllSecondHalf];
    } finally {
      await model.dispose();
    }
  },
  /** Losses of all slices in the order of the text, whoever gave them. */
  async sum({ recipe, slices }, job) {
    const values = await job.getChildrenValues();
    const losses = slices.flatMap((id) => values[`bull:${QUEUE}:${id}`]);
    return { recipe, losses };
  },
};

const worker = new Worker(
  QUEUE,
  async (job) => {
    console.log(`begins ${job.id}`);
    const result = await work[job.name](job.data, job);
    console.log(`done ${job.id}`);
    return result;
  },
  { connection: connect(), lockDuration, stalledInterval: lockDuration, maxStalledCount: 3 },
);
worker.on("error", (error) => console.error(error.message));
worker.on("failed", (job, error) => console.error(`${job?.id}: ${error.message}`));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => worker.close().then(() => process.exit()));
