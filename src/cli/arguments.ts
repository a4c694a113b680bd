/**
 * llama.cpp's spelling of arguments: several letters after one dash, `-ctk q8`, `-st`, `-sys TEXT`.
 *
 * Commander reads `-ctk` as `-c tk`. It does allow an option two long names, so a command declares `--ctk,
 * --cache-type-k <type>`, the words of the command line are rewritten from `-ctk` to `--ctk` before commander
 * sees them, and help shows `-ctk` again.
 */
import { type Command, Option } from "commander";
import { UsageError } from "./exit.ts";

/** Frequent arguments of llama.cpp that mean nothing here, and what to do instead. */
const ELSEWHERE: Record<string, string> = {
  "-ngl": "fptq computes on the CPU only; leave it out",
  "-fa": "attention has one implementation; leave it out",
  "-cnv": "for a conversation use: fptq chat -m MODEL",
  "-no-cnv": "fptq run never starts a conversation; leave it out",
  "-hf": "give a name on the Hugging Face Hub with -m: -m hf:ORG/MODEL, or hf:ORG/MODEL:Q4_1 for a GGUF",
  "-ub": "the prefill row block is fixed; leave it out",
  "-tb": "prefill and decode share their threads; use -t",
};

const isLlamaName = (name: string | undefined): name is string => name !== undefined && /^--[a-z]{2,4}$/.test(name);

/** `-ctk, --cache-type-k <type>`: an option's names as llama.cpp writes them, for help. */
export function optionTerm(option: Option): string {
  return isLlamaName(option.short) ? option.flags.replace(option.short, option.short.slice(1)) : option.flags;
}

/** The same in a message of commander's. */
export const messageInLlamaSpelling = (message: string) => message.replaceAll(/'--([a-z]{2,4}), --/g, "'-$1, --");

/**
 * An option that must be given. Commander's own `requiredOption` is checked before unknown options, and would
 * answer `--modle x` with "--model not specified" instead of "did you mean --model".
 */
export function addRequiredOption(
  command: Command,
  flags: string,
  description: string,
  parse: (text: string, earlier: never) => string | string[],
): Command {
  const option = new Option(flags, description).argParser<unknown>(parse as (text: string, earlier: unknown) => unknown);
  return command.addOption(option).hook("preAction", () => {
    if (command.getOptionValue(option.attributeName()) !== undefined) return;
    throw new UsageError(`required option '${option.flags}' not specified: ${description}`);
  });
}

/**
 * The words of a command line in commander's spelling.
 *
 * @param words without the program's own name
 * @throws UsageError for a word of one dash and several letters that the command does not have
 */
export function fromLlamaSpelling(program: Command, words: readonly string[]): string[] {
  const command = program.commands.find((candidate) => candidate.name() === words[0]);
  if (!command) return [...words];

  const result = [words[0]!];
  for (let i = 1; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") return [...result, ...words.slice(i)];

    const llama = /^-[a-z][a-z-]+$/.test(word) ? `-${word}` : undefined;
    const option = command.options.find(({ short, long }) =>
      [word, llama].some((name) => name && (name === short || name === long)),
    );
    if (llama && !(option && option.short === llama)) throw new UsageError(unknownOption(command, word));

    result.push(llama ?? word);
    // The next word is this option's value, whatever it looks like.
    if (option?.required && i + 1 < words.length) result.push(words[++i]!);
  }
  return result;
}

function unknownOption(command: Command, word: string): string {
  if (ELSEWHERE[word]) return `unknown option '${word}'\n(${ELSEWHERE[word]})`;
  const names = command.options.flatMap(({ short, long }) => [short, long]);
  const near = names.find((name) => isLlamaName(name) && isNear(name.slice(1), word));
  const suggestion = names.includes(`-${word}`) ? `-${word}` : near?.slice(1);
  return `unknown option '${word}'${suggestion ? `\n(Did you mean ${suggestion}?)` : ""}`;
}

/** Names of two to four letters are near if one begins with the other, or if they differ in one letter. */
function isNear(name: string, word: string): boolean {
  if (name.startsWith(word) || word.startsWith(name)) return true;
  return name.length === word.length && [...name].filter((letter, i) => letter !== word[i]).length === 1;
}
