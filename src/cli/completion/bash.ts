/** The script that completes in bash, from 3.2 on, without the package bash-completion. */
import type { CompletedCommand, CompletedOption, Value } from "./completion-words.ts";

export function bashScript(commands: readonly CompletedCommand[]): string {
  return `# fptq in bash: eval "$(fptq completion bash)"
_fptq_words() { local IFS=$'\\n'; COMPREPLY=($(compgen -W "$1" -- "$2")); }
_fptq_paths() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen "$1" -- "$2"))
  compopt -o filenames 2>/dev/null
}
_fptq() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _fptq_words ${list(["--help", "--version", ...commands.map(({ name }) => name)])} "$current"
    return
  fi
  case $command in
${commands.map(commandCase).join("\n")}
  esac
}
complete -F _fptq fptq
`;
}

function commandCase({ name, options, value }: CompletedCommand): string {
  const valued = options.flatMap((option) => (option.value === undefined ? [] : [`        ${optionCase(option, option.value)}`]));
  const behind = valued.length === 0 ? "" : `      case $previous in\n${valued.join("\n")}\n      esac\n`;
  return `    ${name})
${behind}      case $current in
        -*) _fptq_words ${list(options.flatMap(({ names }) => names))} "$current" ;;
        *) ${action(value)} ;;
      esac ;;`;
}

const optionCase = ({ names }: CompletedOption, value: Value) => `${names.join("|")}) ${action(value)}; return ;;`;

function action(value: Value): string {
  switch (value.kind) {
    case "words":
      return `_fptq_words ${list(value.words)} "$current"`;
    case "file":
      return '_fptq_paths -f "$current"';
    case "folder":
      return '_fptq_paths -d "$current"';
    case "any":
      return "COMPREPLY=()";
  }
}

const list = (words: readonly string[]) => `$'${words.join("\\n")}'`;
