/**
 * Progress of long work on stderr: a bar with the time left on a terminal, plain lines at intervals
 * elsewhere.
 *
 * Either way a phase that took a while leaves one line behind ("calibrate: 16384 tokens in 41.2 s"), so that
 * a log of a finished run reads the same from a terminal and from a file.
 */
import cliProgress from "cli-progress";
import type { OnProgress, Progress } from "../progress.ts";
import { formatBytes, formatDuration } from "./quantities.ts";
import type { TerminalStream } from "./terminal.ts";

/** Seconds before a phase shows anything: a bar that flashes by is noise. */
const QUIET_SECONDS = 0.3;
/** Phases shorter than this leave no line. */
const WORTH_A_LINE_SECONDS = 1;
/** Time between lines where there is no terminal. */
const LINE_INTERVAL_SECONDS = 10;

export interface ProgressDisplay extends Disposable {
  readonly onProgress: OnProgress;
}

interface Phase {
  last: Progress;
  readonly began: number;
  lineAt: number;
  bar?: cliProgress.SingleBar;
}

/** @param now seconds of a steady clock */
export function displayProgress(stream: TerminalStream, now = () => performance.now() / 1000): ProgressDisplay {
  let phase: Phase | undefined;

  const end = () => {
    if (!phase) return;
    phase.bar?.stop();
    const { last, began } = phase;
    const seconds = now() - began;
    const complete = last.done >= last.total;
    if (complete && seconds >= WORTH_A_LINE_SECONDS) {
      stream.write(`${last.phase}: ${amount(last.total, last.unit)} in ${formatDuration(seconds)}\n`);
    }
    phase = undefined;
  };

  const update = (current: Phase) => {
    const { last, began } = current;
    const seconds = now() - began;
    if (stream.isTTY) {
      if (seconds >= QUIET_SECONDS) current.bar ??= startBar(stream, last, payload(last, seconds));
      current.bar?.update(last.done, payload(last, seconds));
    } else if (now() - current.lineAt >= LINE_INTERVAL_SECONDS) {
      current.lineAt = now();
      stream.write(`${progressLine(last, seconds)}\n`);
    }
  };

  return {
    onProgress(progress) {
      if (phase && (progress.phase !== phase.last.phase || progress.done < phase.last.done)) end();
      phase ??= { last: progress, began: now(), lineAt: now() };
      phase.last = progress;
      update(phase);
      if (progress.done >= progress.total) end();
    },
    [Symbol.dispose]: end,
  };
}

/** `calibrate: 8192 of 16384 tokens (50 %), 41.2 s left` */
export function progressLine(progress: Progress, seconds: number): string {
  const { phase, done, total, unit } = progress;
  const left = secondsLeft(progress, seconds);
  return `${phase}: ${fraction(done, total, unit)} (${percent(progress)} %)${left === undefined ? "" : `, ${formatDuration(left)} left`}`;
}

function secondsLeft({ done, total, secondsLeft: left }: Progress, seconds: number): number | undefined {
  if (left !== undefined) return left;
  return done > 0 ? (seconds * (total - done)) / done : undefined;
}

const percent = ({ done, total }: Progress) => (total > 0 ? Math.floor((100 * done) / total) : 100);
const amount = (count: number, unit: Progress["unit"]) =>
  unit === "bytes" ? formatBytes(count) : `${count} ${count === 1 ? unit.slice(0, -1) : unit}`;
const fraction = (done: number, total: number, unit: Progress["unit"]) =>
  unit === "bytes" ? `${formatBytes(done)} of ${formatBytes(total)}` : `${done} of ${amount(total, unit)}`;

function payload(progress: Progress, seconds: number) {
  const left = secondsLeft(progress, seconds);
  return {
    phase: progress.phase,
    percent: `${percent(progress)}`.padStart(3),
    amount: fraction(progress.done, progress.total, progress.unit),
    left: left === undefined ? "" : `| ${formatDuration(left)} left`,
  };
}

function startBar(stream: TerminalStream, progress: Progress, words: ReturnType<typeof payload>): cliProgress.SingleBar {
  const bar = new cliProgress.SingleBar({
    format: "{phase} {bar} {percent} % | {amount} {left}",
    stream,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    // Room for the words on both sides of the bar in 80 columns.
    barsize: Math.max(8, Math.min(32, (stream.columns ?? 80) - 56)),
    clearOnComplete: true,
    // Leave the terminal's own settings alone (true: cut lines instead of turning wrapping off), for an exit
    // on a second Ctrl-C restores nothing.
    hideCursor: false,
    linewrap: true,
    fps: 10,
    // Signals are main.ts's: a bar that handles them itself hides Ctrl-C from the work.
    gracefulExit: false,
  });
  bar.start(progress.total, progress.done, words);
  return bar;
}
