import { Argument, type Command, type Option } from "commander";

const SHELLS = ["bash", "zsh"] as const;

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .description("print a script that completes commands and options")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText(
      "after",
      '\nbash: eval "$(headwater completion bash)" in ~/.bashrc' +
        '\nzsh:  eval "$(headwater completion zsh)" in ~/.zshrc, after compinit',
    )
    .action((shell: (typeof SHELLS)[number]) => {
      process.stdout.write(completionScript(program, shell));
    });
}

/** One place in the tree of commands, as a completion needs it. */
interface Place {
  /** `headwater sandbox status` */
  readonly path: string;
  readonly commands: readonly string[];
  readonly flags: readonly string[];
  /** Flags that take a value, with the values there are, where they are known. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** Values of the first argument, where they are known. */
  readonly words: readonly string[];
}

/** The script for a shell, from the tree of commands: what `--help` shows is what is completed. */
export function completionScript(program: Command, shell: (typeof SHELLS)[number]): string {
  const places = placesOf(program, "", []);
  return shell === "bash" ? bash(program.name(), places) : zsh(program.name(), places);
}

function placesOf(command: Command, above: string, globals: readonly Option[]): Place[] {
  const path = `${above} ${command.name()}`.trim();
  const options = [...command.options, ...globals].filter(({ hidden }) => !hidden);
  const valued = options.filter(({ required, optional }) => required || optional);
  const here: Place = {
    path,
    commands: command.commands.map((child) => child.name()),
    flags: [...options.flatMap(flagsOf), "--help"],
    values: new Map(
      valued.flatMap((option) => flagsOf(option).map((flag) => [flag, option.argChoices ?? []] as const)),
    ),
    words: command.registeredArguments[0]?.argChoices ?? [],
  };
  // `--version` is the program's own, and ends it wherever it stands.
  const passedOn = above === "" ? command.options : [];
  return [here, ...command.commands.flatMap((child) => placesOf(child, path, [...globals, ...passedOn]))];
}

function flagsOf({ long, short }: Option): string[] {
  return [long, short].filter((flag) => flag !== undefined && flag !== null);
}

/** Arms of `case "$at $word"`: how a word before the cursor moves on, or takes the next word as its value. */
function steps(places: readonly Place[]): string[] {
  return places.flatMap(({ path, commands, values }) => [
    ...commands.map((name) => `"${path} ${name}") at="${path} ${name}" ;;`),
    ...(values.size === 0
      ? []
      : [`${[...values.keys()].map((flag) => `"${path} ${flag}"`).join("|")}) skip=1 ;;`]),
  ]);
}

/** Arms of `case "$at $previous"`: the values a flag takes, where they are known. */
function valuesAfter(places: readonly Place[], offer: (values: string) => string): string[] {
  return places.flatMap(({ path, values }) =>
    [...values].flatMap(([flag, choices]) =>
      choices.length === 0 ? [] : `"${path} ${flag}") ${offer(choices.join(" "))} ;;`,
    ),
  );
}

/** Arms of `case "$at"`: flags and words. */
function words(places: readonly Place[]): string[] {
  return places.map(
    (place) =>
      `"${place.path}") flags="${place.flags.join(" ")}"; words="${[...place.commands, ...place.words].join(" ")}" ;;`,
  );
}

function lines(indent: string, arms: readonly string[]): string {
  return arms.map((arm) => `${indent}${arm}\n`).join("");
}

function bash(name: string, places: readonly Place[]): string {
  return `# bash completion for ${name}, made by: ${name} completion bash
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  local at="${name}" flags="" words="" skip=0 i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if ((skip)); then skip=0; continue; fi
    case "$at \${COMP_WORDS[i]}" in
${lines("      ", steps(places))}    esac
  done
  COMPREPLY=()
  if ((skip)); then
    case "$at $previous" in
${lines(
  "      ",
  valuesAfter(places, (values) => `COMPREPLY=($(compgen -W "${values}" -- "$current"))`),
)}    esac
    return
  fi
  case "$at" in
${lines("    ", words(places))}  esac
  if [[ $current == -* ]]; then words="$flags"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name} ${name}
`;
}

function zsh(name: string, places: readonly Place[]): string {
  return `#compdef ${name}
# zsh completion for ${name}, made by: ${name} completion zsh
_${name}() {
  local current="\${words[CURRENT]}" previous="\${words[CURRENT-1]}"
  local at="${name}" flags="" choices="" skip=0 i
  for ((i = 2; i < CURRENT; i++)); do
    if ((skip)); then skip=0; continue; fi
    case "$at \${words[i]}" in
${lines("      ", steps(places))}    esac
  done
  if ((skip)); then
    case "$at $previous" in
${lines("      ", [...valuesAfter(places, (values) => `compadd -- ${values}`), "*) _files ;;"])}    esac
    return
  fi
  case "$at" in
${lines("    ", words(places)).replaceAll(' words="', ' choices="')}  esac
  if [[ $current == -* ]]; then choices="$flags"; fi
  if [[ -n $choices ]]; then compadd -- \${=choices}; else _files; fi
}
if [[ $funcstack[1] == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}
