/** Functions of a wasm module as their loops: what each loop does itself, and which loops it holds. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Loop {
  /**
   * Times each instruction stands in this loop, outside of the loops it holds: "i32x4.dot_i16x8_s",
   * "global.get".
   */
  readonly instructions: Map<string, number>;
  /** Functions it calls, by internal name, outside of the loops it holds. */
  readonly calls: string[];
  readonly loops: Loop[];
}

export interface Module {
  /** Exported name to internal name. */
  readonly exports: Map<string, string>;
  /** The body of each function as if it were a loop, by internal name. */
  readonly functions: Map<string, Loop>;
}

const emptyLoop = (): Loop => ({ instructions: new Map(), calls: [], loops: [] });

/** Reads S-expressions as binaryen prints them: the opener of a list is its first word. */
function parse(text: string): Module {
  const exports = new Map<string, string>();
  const functions = new Map<string, Loop>();
  const tokens = text.match(/"[^"]*"|[()]|[^\s()"]+/g) ?? [];
  /** What each open list belongs to. */
  const open: Loop[] = [];
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i] === ")") open.pop();
    if (tokens[i] !== "(") continue;
    const word = tokens[i + 1]!;
    const current = open.at(-1) ?? emptyLoop();
    let inner = current;
    if (word === "func" && open.length === 1) {
      inner = emptyLoop();
      functions.set(tokens[i + 2]!, inner);
    } else if (word === "export" && tokens[i + 4] === "func") {
      exports.set(tokens[i + 2]!.slice(1, -1), tokens[i + 5]!);
    } else if (word === "loop") {
      inner = emptyLoop();
      current.loops.push(inner);
    } else {
      current.instructions.set(word, (current.instructions.get(word) ?? 0) + 1);
      if (word === "call") current.calls.push(tokens[i + 2]!);
    }
    open.push(inner);
  }
  return { exports, functions };
}

/**
 * A module as binaryen prints it. Runs wasm-dis in a process of its own: loading binaryen as a library
 * through tsx takes tenfold the time of the whole test.
 */
export function textOf(file: URL): string {
  const tool = fileURLToPath(new URL("../../node_modules/binaryen/bin/wasm-dis", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [tool, "--all-features", fileURLToPath(file)], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`wasm-dis ${fileURLToPath(file)}: exit ${status}: ${stderr}`);
  return stdout;
}

export const disassemble = (file: URL): Module => parse(textOf(file));

/** All loops of these bodies, outer before inner. */
export function* loopsOf(...bodies: Loop[]): Generator<Loop> {
  for (const { loops } of bodies) {
    for (const loop of loops) {
      yield loop;
      yield* loopsOf(loop);
    }
  }
}
