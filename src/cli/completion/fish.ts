/** The script that completes in fish. */
import type { CompletedCommand, CompletedOption, Value } from "./completion-words.ts";

export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, description, options, value }) => [
    `complete -c fptq -n __fish_use_subcommand -a ${name} -d ${quoted(description)}`,
    ...options.map((option) => `complete -c fptq -n ${seen(name)} ${optionWords(option)}`),
    ...argumentLines(name, value),
  ]);
  return `# fptq in fish: fptq completion fish | source
complete -c fptq -f
complete -c fptq -n __fish_use_subcommand -l help -d 'show help'
complete -c fptq -n __fish_use_subcommand -l version -d 'show the version'
${lines.join("\n")}
`;
}

const seen = (command: string) => quoted(`__fish_seen_subcommand_from ${command}`);

function optionWords({ names, description, value }: CompletedOption): string {
  const flags = names.map((name) => `${flagOf(name)} ${name.replace(/^-+/, "")}`);
  return [...flags, ...(value === undefined ? [] : behind(value)), `-d ${quoted(description)}`].join(" ");
}

/** `-ctk` is an option of one dash and several letters, which fish calls old. */
const flagOf = (name: string) => (name.startsWith("--") ? "-l" : name.length === 2 ? "-s" : "-o");

function behind(value: Value): string[] {
  switch (value.kind) {
    case "words":
      return ["-x", `-a ${quoted(value.words.join(" "))}`];
    case "file":
      return ["-r", "-F"];
    case "folder":
      return ["-x", "-a '(__fish_complete_directories)'"];
    case "any":
      return ["-x"];
  }
}

function argumentLines(command: string, value: Value): string[] {
  if (value.kind === "any") return [];
  const words = value.kind === "file" ? "-F" : behind(value).slice(1).join(" ");
  return [`complete -c fptq -n ${seen(command)} ${words}`];
}

const quoted = (text: string) => `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
