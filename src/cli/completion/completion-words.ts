/** What can be completed, read from the tables that make the help. */
import type { Argument, Command, Option } from "commander";
import type { WordParser } from "../options/option-values.ts";

/** What stands behind an option, or at a command's place for an argument. */
export type Value =
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "file" }
  | { readonly kind: "folder" }
  /** Something that only its writer knows: a number, a prompt. */
  | { readonly kind: "any" };

export interface CompletedOption {
  /** As they are typed: `-m`, `--model`, `-ctk`. */
  readonly names: readonly string[];
  readonly description: string;
  /** undefined for a switch. */
  readonly value: Value | undefined;
}

export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly value: Value;
}

/** Placeholders of values that are paths; a model is a folder, a file or a name. */
const FILES = /^(path|file|source|model|calibration)$/;
const FOLDERS = /^(dir|folder)$/;

/** Every command of a program, in the order of its help. */
export function completedCommands(program: Command): CompletedCommand[] {
  const helper = program.createHelp();
  return helper.visibleCommands(program).map((command) => ({
    name: command.name(),
    description: helper.subcommandDescription(command),
    options: helper.visibleOptions(command).map(completedOption),
    value: command.name() === "help" ? namesOf(program) : valueOfArgument(command),
  }));
}

function completedOption(option: Option): CompletedOption {
  const { short, long, description } = option;
  // A short name of several letters is llama.cpp's, with one dash (src/cli/arguments.ts).
  const names = [short?.startsWith("--") ? short.slice(1) : short, long].filter((name): name is string => name !== undefined);
  return {
    names,
    description: firstClause(description),
    value: option.required || option.optional ? valueOf(option) : undefined,
  };
}

/** What a shell has room for. */
const firstClause = (description: string) => /^.{10,}?(?=[;:(]|$)|.*/.exec(description)![0].trim();

function valueOf({ flags, parseArg }: Pick<Option, "flags" | "parseArg">): Value {
  const words = (parseArg as Partial<WordParser<unknown>> | undefined)?.choices;
  if (words) return { kind: "words", words };
  const placeholder = /[<[]([^>\]]*)[>\]]/.exec(flags)?.[1] ?? "";
  return placeholder.includes("|") ? { kind: "words", words: placeholder.split("|") } : valueNamed(placeholder);
}

function valueNamed(placeholder: string): Value {
  if (FILES.test(placeholder)) return { kind: "file" };
  return FOLDERS.test(placeholder) ? { kind: "folder" } : { kind: "any" };
}

const namesOf = ({ commands }: Command): Value => ({ kind: "words", words: commands.map((command) => command.name()) });

function valueOfArgument(command: Command): Value {
  if (command.commands.length > 0) return namesOf(command);
  const [argument] = command.registeredArguments as readonly (Argument & { readonly parseArg?: unknown })[];
  if (!argument) return { kind: "any" };
  const words = (argument.parseArg as Partial<WordParser<unknown>> | undefined)?.choices;
  return words ? { kind: "words", words } : valueNamed(argument.name());
}
