/** `fptq completion`: a script with which a shell completes commands, options, their choices and files. */
import { Argument, Command } from "commander";
import { bashScript } from "../completion/bash.ts";
import { completedCommands } from "../completion/completion-words.ts";
import { fishScript } from "../completion/fish.ts";
import { zshScript } from "../completion/zsh.ts";
import type { CommandContext } from "../command-context.ts";
import { addOutputOptions } from "../options/model-options.ts";
import { oneOf } from "../options/option-values.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;
type Shell = keyof typeof SCRIPTS;
const SHELLS = Object.keys(SCRIPTS) as Shell[];

const EXAMPLES = `
Examples:
  echo 'eval "$(fptq completion bash)"' >> ~/.bashrc
  echo 'eval "$(fptq completion zsh)"' >> ~/.zshrc
  fptq completion fish > ~/.config/fish/completions/fptq.fish`;

export function completionCommand({ output }: CommandContext): Command {
  const shell = new Argument(`<${SHELLS.join("|")}>`, "the shell").argParser(oneOf<Shell>(...SHELLS));
  return addOutputOptions(new Command("completion").description("print a script that completes commands and options in a shell"))
    .addArgument(shell)
    .addHelpText("after", EXAMPLES)
    .action((name: Shell, _: unknown, command: Command) => output.write(SCRIPTS[name](completedCommands(command.parent!))));
}
