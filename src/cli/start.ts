/** The process around the command line. */
import { readFileSync } from "node:fs";
import { EXIT_FAILURE, EXIT_INTERRUPTED } from "./exit.ts";
import { createOutput } from "./output.ts";
import { runCommandLine } from "./program.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };

// The first Ctrl-C asks the work to stop, which leaves nothing half-written; a second one does not wait for
// that.
const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interruption.signal.aborted) process.exit(EXIT_INTERRUPTED);
    interruption.abort();
  });
}

// `fptq inspect MODEL | head` closes the pipe early; that is the reader's right. Anything else is an error,
// a full disk for instance.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") process.stderr.write(`error: output: cannot be written: ${error.message}\n`);
  process.exit(error.code === "EPIPE" ? 0 : EXIT_FAILURE);
});
// Whoever reads no messages still gets the data.
process.stderr.on("error", () => {});

process.exitCode = await runCommandLine(
  process.argv.slice(2),
  {
    output: createOutput(process.stdout, process.stderr),
    input: process.stdin,
    signal: interruption.signal,
    library: () => import("../index.ts"),
    server: async () => ({ ...(await import("../server.ts")), ...(await import("../host/node/node-http-server.ts")) }),
  },
  version,
);
