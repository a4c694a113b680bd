/** A worker's whole life: wait for a job in shared memory, run its share, say done, wait again. No messages, no allocation. */
import { BOARD, BOARD_ARGUMENTS_OFFSET, share, SPINS, type WorkerStart } from "./job-board.ts";
import { instantiateKernels } from "./kernels.ts";
import { SPLIT_KERNELS } from "./split-kernels.ts";

/** Never returns before the pool ends. @param ready called once the first job can be taken */
export function runKernelWorker(start: WorkerStart, ready: () => void): void {
  const kernels = instantiateKernels(start.module, start.memory);
  const table = SPLIT_KERNELS.map((name) => kernels[name] as (...args: number[]) => void);
  const board = new Int32Array(start.memory.buffer, start.board, BOARD_ARGUMENTS_OFFSET / 4);
  const values = new Float64Array(start.memory.buffer, start.board + BOARD_ARGUMENTS_OFFSET, 24);
  let seen = start.generation;
  ready();
  for (;;) {
    for (let spin = 0; spin < SPINS && Atomics.load(board, BOARD.generation) === seen; spin++);
    while (Atomics.load(board, BOARD.generation) === seen) Atomics.wait(board, BOARD.generation, seen);
    seen = Atomics.load(board, BOARD.generation);
    const kernel = Atomics.load(board, BOARD.kernel);
    if (kernel < 0) return;
    try {
      const [begin, end] = share(board[BOARD.units]!, start.thread, start.threads);
      const args = Array.from(values.subarray(0, board[BOARD.argumentCount]));
      if (begin < end) table[kernel]!(...args, begin, end, start.scratch);
    } catch {
      Atomics.store(board, BOARD.failed, 1);
    }
    if (Atomics.sub(board, BOARD.pending, 1) === 1) Atomics.notify(board, BOARD.pending);
  }
}
