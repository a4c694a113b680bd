/**
 * One pass: rows of one or many sequences through embedding and blocks, and logits for those who want them.
 */
import { offsetBy } from "../kernels/pointer.ts";
import { NumericError } from "../errors.ts";
import { type Batch, enterRows, type Span } from "./batch.ts";
import { blockWork, forwardBlock, type LoadedBlock } from "./block.ts";
import type { EventLoopPacer } from "./event-loop-pacer.ts";
import type { StatesReader } from "./forward-pass.ts";
import { embed, type LoadedEmbedding } from "./layers/embedding.ts";
import type { LayerThreads } from "./layer-threads.ts";
import { type LoadedHead, multiplyHead } from "./layers/head.ts";
import { applyNorm } from "./layers/norm.ts";
import { turnedBack } from "./layers/online-transforms.ts";
import type { LogitsBuffers } from "./logits.ts";
import { type Job, type Part, settle, wanted } from "./sequences/scheduler.ts";
import type { Placed, Workspace } from "./workspace/workspace.ts";

/** A model in memory, or in several. */
export interface LoadedModel {
  readonly spaces: readonly Workspace[];
  readonly embedding: Placed<LoadedEmbedding>;
  readonly blocks: readonly Placed<LoadedBlock>[];
  readonly head: Placed<LoadedHead>;
  /** In the head's workspace. */
  readonly logits: LogitsBuffers;
  readonly layerThreads: LayerThreads;
}

/** What a pass that goes on in another workspace takes there: f32[M, E], the residual stream. */
function carry(from: Workspace, to: Workspace, rows: number): void {
  if (from === to) return;
  const elements = rows * from.config.hiddenSize;
  to.kernels.f32(to.buffers.hidden, elements).set(from.kernels.f32(from.buffers.hidden, elements));
}

/**
 * Runs parts together. Between layers it lets other events run when it has not for a while, and stops when
 * nobody wants the result any more.
 *
 * @param done told of each part whose rows are computed and were wanted until the end, before its logits are
 */
export async function runPass(
  model: LoadedModel,
  parts: readonly Part[],
  pacer: EventLoopPacer,
  done: (part: Part, ids: readonly number[]) => void,
): Promise<void> {
  const started = performance.now();
  const { spaces, embedding, blocks, head, layerThreads } = model;
  const batch = batchOf(parts);
  for (const space of spaces) enterRows(space, batch);
  embed(embedding.space, embedding.item, batch);
  const work = (l: number, { config }: Workspace) =>
    batch.spans.reduce((sum, { rows, position }) => sum + blockWork(blocks[l]!.item.block, config, rows, position), 0);
  let at = embedding.space;
  for (const [l, { space, item: block }] of blocks.entries()) {
    if (pacer.due()) await pacer.letEventsRun();
    if (!wanted(parts, `forward pass, layer ${l}`)) return;
    carry(at, space, batch.rows);
    at = space;
    layerThreads.run(batch.rows, work(l, space), () => forwardBlock(space, block, batch));
    pacer.count(work(l, space));
    const { kernels, buffers, config } = space;
    if (kernels.run.first_nonfinite_f32(buffers.hidden, batch.rows * config.hiddenSize) >= 0)
      failNonFinite(blocks[l]!, parts, batch);
  }
  carry(at, head.space, batch.rows);
  wanted(parts, "forward pass");
  for (const [i, part] of parts.entries()) {
    const { rows, position } = batch.spans[i]!;
    if (!part.job.settled) done(part, part.job.sequence.ids.slice(position, position + rows));
  }
  giveLogits(model, parts, batch, pacer);
  if (parts.length === 1) parts[0]!.job.options.onPass?.({ rows: batch.rows, ms: performance.now() - started });
}

function batchOf(parts: readonly Part[]): Batch {
  const ids: number[] = [];
  const spans: Span[] = [];
  for (const { job, rows } of parts) {
    const { sequence } = job;
    const position = sequence.held.length;
    spans.push({ begin: ids.length, rows, position, table: sequence.table! });
    for (let row = 0; row < rows; row++) ids.push(sequence.ids[position + row]!);
  }
  return { ids, rows: ids.length, spans };
}

/** Rows are computed apart, so only the sequences that have NaN or infinity fail. */
function failNonFinite({ space, item }: Placed<LoadedBlock>, parts: readonly Part[], { spans }: Batch): void {
  const { kernels, buffers, config } = space;
  const { hiddenSize: E } = config;
  for (const [i, { begin, rows, position }] of spans.entries()) {
    if (kernels.run.first_nonfinite_f32(offsetBy(buffers.hidden, 4 * begin * E), rows * E) < 0) continue;
    const { name } = item.block;
    const error = new NumericError(`${name}: output has NaN or infinity at positions ${position}..${position + rows - 1}`);
    settle(parts[i]!.job, () => parts[i]!.job.reject(error));
  }
}

/** Gives each job that is done, or wants the logits or states of all its ids, what it asked for. */
function giveLogits(model: LoadedModel, parts: readonly Part[], { spans }: Batch, pacer: EventLoopPacer): void {
  const last: { job: Job; row: number }[] = [];
  for (const [i, { job }] of parts.entries()) {
    if (job.settled) continue;
    const span = spans[i]!;
    const { sequence, from, options } = job;
    const finished = sequence.held.length === sequence.length;
    if (options.states) {
      const { states } = options;
      if (states.of === "all" || finished) guarded(job, () => giveStates(model, job, span, states));
    } else if (typeof options.logits === "function") {
      guarded(job, () => allLogits(model, job, span, pacer));
    } else if (options.logits === "last" && finished && sequence.length > from) {
      last.push({ job, row: span.begin + span.rows - 1 });
      continue;
    }
    if (finished) settle(job, () => job.resolve(undefined));
  }
  const { rows: most } = model.logits;
  for (let begin = 0; begin < last.length; begin += most) lastLogits(model, last.slice(begin, begin + most), pacer);
}

/** Logits of single rows, of which each belongs to another job. */
function lastLogits(model: LoadedModel, last: readonly { job: Job; row: number }[], pacer: EventLoopPacer): void {
  const { space, item: head } = model.head;
  const { kernels, buffers, config } = space;
  const { hiddenSize: E, vocabSize: V } = config;
  let hidden = offsetBy(buffers.hidden, 4 * last[0]!.row * E);
  if (last.some(({ row }, i) => row !== last[0]!.row + i)) {
    hidden = buffers.projected;
    for (const [i, { row }] of last.entries())
      kernels.f32(offsetBy(hidden, 4 * i * E), E).set(kernels.f32(offsetBy(buffers.hidden, 4 * row * E), E));
  }
  multiplyHead(space, head, hidden, model.logits.values, last.length);
  pacer.count(last.length * V * E);
  for (const [i, { job }] of last.entries()) {
    guarded(job, () => {
      const values = finiteLogits(model, i, 1);
      const { read } = job.options;
      const copy = read ? void read(values) : values.slice();
      settle(job, () => job.resolve(copy));
    });
  }
}

/** Gives the logits of the rows of a span that have not been given before, in blocks. */
function allLogits(model: LoadedModel, job: Job, { begin, rows, position }: Span, pacer: EventLoopPacer): void {
  const { logits } = model;
  const { space, item: head } = model.head;
  const { hiddenSize: E, vocabSize: V } = space.config;
  const { from, options } = job;
  const skipped = Math.max(0, job.next - position);
  for (let row = skipped; row < rows; row += logits.rows) {
    const count = Math.min(logits.rows, rows - row);
    multiplyHead(space, head, offsetBy(space.buffers.hidden, 4 * (begin + row) * E), logits.values, count);
    pacer.count(count * V * E);
    const values = finiteLogits(model, 0, count);
    const give = options.logits as Exclude<typeof options.logits, string>;
    job.next = position + row + count;
    give({ values, pointer: logits.values, firstRow: position + row - from, rows: count });
  }
}

/** Gives the states of the last row of a span, or of those that have not been given before. */
function giveStates(model: LoadedModel, job: Job, { begin, rows, position }: Span, { of, read }: StatesReader): void {
  const { space, item: head } = model.head;
  const { kernels, buffers, config } = space;
  const { hiddenSize: E } = config;
  const skipped = of === "last" ? rows - 1 : Math.max(0, job.next - position);
  const count = rows - skipped;
  if (count <= 0) return;
  const hidden = turnedBack(space, offsetBy(buffers.hidden, 4 * (begin + skipped) * E), count);
  if (head.norm) applyNorm(space, head.norm, hidden, buffers.normed, count);
  else kernels.f32(buffers.normed, count * E).set(kernels.f32(hidden, count * E));
  if (kernels.run.first_nonfinite_f32(buffers.normed, count * E) >= 0)
    throw new NumericError("states: got NaN or infinity behind the last layer, need finite numbers");
  job.next = position + rows;
  read({ values: kernels.f32(buffers.normed, count * E), firstRow: position + skipped - job.from, rows: count });
}

function finiteLogits({ head: { space }, logits }: LoadedModel, row: number, rows: number): Float32Array {
  const { vocabSize: V } = space.config;
  const pointer = offsetBy(logits.values, 4 * row * V);
  if (space.kernels.run.first_nonfinite_f32(pointer, rows * V) >= 0) {
    throw new NumericError("lm_head: logits have NaN or infinity");
  }
  return space.kernels.f32(pointer, rows * V);
}

/** What one job's reader throws is its own. */
function guarded(job: Job, work: () => void): void {
  try {
    work();
  } catch (error) {
    settle(job, () => job.reject(error));
  }
}
