/** The command line as a whole: its commands, its help, and what happens from words to exit code. */
import { Command } from "commander";
import { fromLlamaSpelling, messageInLlamaSpelling } from "./arguments.ts";
import type { CommandContext } from "./command-context.ts";
import { analyzeCommand } from "./commands/analyze.ts";
import { benchCommand } from "./commands/bench.ts";
import { chatCommand } from "./commands/chat.ts";
import { choiceCommand } from "./commands/choice.ts";
import { completionCommand } from "./commands/completion.ts";
import { diagnoseCommand } from "./commands/diagnose.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { embedCommand } from "./commands/embed.ts";
import { exportCommand } from "./commands/export.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { kldCommand } from "./commands/kld.ts";
import { lambadaCommand } from "./commands/lambada.ts";
import { modelsCommand } from "./commands/models.ts";
import { pplCommand } from "./commands/ppl.ts";
import { quantizeCommand } from "./commands/quantize.ts";
import { rerankCommand } from "./commands/rerank.ts";
import { runCommand } from "./commands/run.ts";
import { serveCommand } from "./commands/serve.ts";
import { fitHelp, HELP, helpWidth } from "./help.ts";
import { errorMessage, EXIT_OK, exitCode, UsageError } from "./exit.ts";

const EXAMPLES = `
Examples:
  fptq quantize SmolLM2.gguf -o SmolLM2-w4a8 --calibration wiki.valid.txt
  fptq run -m SmolLM2-w4a8 -p "The capital of France is" -n 16
  fptq chat -m SmolLM2-w4a8
  fptq ppl -m SmolLM2-w4a8 -f wiki.test.txt

Data goes to stdout, progress and messages to stderr. Exit codes: 0 done, 1 failed, 2 wrong command line, 130 interrupted.
"fptq COMMAND --help" shows the options of a command; those that llama.cpp has are called as there.`;

export function createProgram(context: CommandContext, version: string): Command {
  const program = new Command("fptq")
    .description("Quantize language models to 4-bit weights and 8-bit activations (FPTQ), and run them in WebAssembly.")
    .version(version, "-V, --version", "show the version")
    .helpOption("-h, --help", "show this help")
    .addHelpText("after", EXAMPLES);
  const commands = [
    quantizeCommand,
    exportCommand,
    runCommand,
    chatCommand,
    serveCommand,
    embedCommand,
    rerankCommand,
    pplCommand,
    kldCommand,
    diagnoseCommand,
    lambadaCommand,
    choiceCommand,
    benchCommand,
    inspectCommand,
    analyzeCommand,
    modelsCommand,
    doctorCommand,
    completionCommand,
  ];
  for (const command of commands) {
    program.addCommand(command(context, version));
  }
  const { output } = context;
  const width = () => helpWidth(output.columns);
  for (const command of [program, ...program.commands, ...program.commands.flatMap((parent) => parent.commands)]) {
    command
      .exitOverride()
      .configureHelp(HELP)
      .configureOutput({
        outputError: (message, write) => write(messageInLlamaSpelling(message)),
        writeOut: (text) => output.write(fitHelp(text, width())),
        writeErr: (text) => void output.logStream.write(text),
        getOutHelpWidth: width,
      });
  }
  program.hook("preAction", (_, command) => {
    if (command.opts<{ color?: boolean }>().color === false) output.withoutColors();
  });
  return program;
}

/**
 * @param words without the program's own name
 * @returns the exit code; whatever went wrong has been said on stderr
 */
export async function runCommandLine(words: readonly string[], context: CommandContext, version: string): Promise<number> {
  const program = createProgram(context, version);
  try {
    if (words.length === 0) throw new UsageError(`no command\n\n${program.helpInformation()}`);
    await program.parseAsync(fromLlamaSpelling(program, words), { from: "user" });
    return EXIT_OK;
  } catch (error) {
    const command = program.commands.find((candidate) => candidate.name() === words[0]);
    const message = errorMessage(error, words.includes("-v") || words.includes("--verbose"), command);
    if (message !== undefined) context.output.log(message);
    return exitCode(error);
  }
}
