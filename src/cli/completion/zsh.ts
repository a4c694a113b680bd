/** The script that completes in zsh: read by `eval`, or as `_fptq` from a folder of `$fpath`. */
import type { CompletedCommand, CompletedOption, Value } from "./completion-words.ts";

export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef fptq
# fptq in zsh, behind compinit: eval "$(fptq completion zsh)"
_fptq() {
  local -a commands
  commands=(
${commands.map(({ name, description }) => `    ${quoted(`${name}:${description}`)}`).join("\n")}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    _arguments '--help[show help]' '--version[show the version]'
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${commands.map(commandCase).join("\n")}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _fptq "$@"; else compdef _fptq fptq; fi
`;
}

function commandCase({ name, options, value }: CompletedCommand): string {
  const specs = [...options.flatMap(optionSpecs), quoted(`*:${message(value)}:${action(value)}`)];
  return `    ${name})
      _arguments \\
        ${specs.join(" \\\n        ")} ;;`;
}

/** Each name by itself, any number of times: some options may be given again. */
function optionSpecs({ names, description, value }: CompletedOption): string[] {
  const text = description.replaceAll(/[[\]\\:]/g, "\\$&");
  const behind = value === undefined ? "" : `:${message(value)}:${action(value)}`;
  return names.map((name) => quoted(`*${name}[${text}]${behind}`));
}

const message = ({ kind }: Value) => (kind === "words" ? "choice" : kind === "any" ? "value" : kind);

function action(value: Value): string {
  switch (value.kind) {
    case "words":
      return `(${value.words.join(" ")})`;
    case "file":
      return "_files";
    case "folder":
      return "_files -/";
    case "any":
      return " ";
  }
}

const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
