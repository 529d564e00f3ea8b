#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""completions.py SHELL PROGRAM alsa|no-alsa OUT: writes what a shell completes a program's words with.

The options are those of the tables that getopt_long is given; what they take and are for is what the help texts say. A
table and a help text that differ are an error. It runs where the runtime is built, so it needs nothing but Python.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

RUNTIME = Path(__file__).parents[1]
WORDS = {"WHEN": ("auto", "always", "never"), "TASK": ("transcribe", "translate")}
FILES = ("FILE", "OUT", "PATH")
FOLDERS = ("DIR", "FOLDER")


@dataclass(frozen=True)
class Option:
    name: str
    letter: str  # or empty
    takes: str  # as the help has it: FILE; empty: no value
    must: bool  # it has a value
    text: str

    @property
    def spellings(self) -> list[str]:
        return [f"--{self.name}", *([f"-{self.letter}"] if self.letter else [])]

    @property
    def model(self) -> bool:
        """Whether it takes a .w158 file."""
        return self.name == "model"


@dataclass(frozen=True)
class Command:
    name: str  # empty: the program has none
    text: str
    options: list[Option]
    takes: str  # words that are no options: FILE, MODEL or nothing


# ---- the sources


def literals(source: str, name: str) -> str:
    """The string of C that is called `name`, without what comes from macros."""
    found = re.search(rf"\b{name}\[\] =\s*((?:\"(?:[^\"\\]|\\.)*\"|[A-Z0-9_\s])+);", source)
    if not found:
        sys.exit(f"completions.py: there is no {name}[]")
    text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', found[1]))
    return text.replace("\\n", "\n").replace('\\"', '"')


def told(text: str) -> dict[str, tuple[str, str]]:
    """Of each option in a help text, what it takes and what it is for."""
    options: dict[str, tuple[str, str]] = {}
    for head, rest in re.findall(r"^ {2,6}(-(?:\S| \S)*)((?: {2,}.*)?(?:\n {20,}.*)*)", text, re.MULTILINE):
        words = " ".join(rest.split())
        first = re.split(r"(?<=\w)[;:.(]|, which|\. | \(", words)[0].strip()
        takes = re.search(r"[ =]([][A-Z:]+)$", head.replace("[=", "=").rstrip("]") if "[=" in head else head)
        for name in re.findall(r"--([a-z-]+)", head):
            options[name] = (takes[1] if takes else "", first)
    return options


def read_options(path: Path, help_name: str) -> tuple[list[Option], str]:
    source = path.read_text(encoding="utf-8")
    text = literals(source, help_name)
    letters = literals(source, "short_options").replace(":", "")
    table = re.findall(r"\{\"([a-z-]+)\", (no|required|optional)_argument, NULL, (?:'(.)'|\w+)\}", source)
    help_of = told(text)
    if set(help_of) != {name for name, _, _ in table}:
        sys.exit(f"{path}: the options of the table and of the help differ: {set(help_of) ^ {row[0] for row in table}}")
    for name, has, _ in table:
        if (has == "no") != (help_of[name][0] == ""):
            sys.exit(f"{path}: the table and the help differ about the value of --{name}")
    options = [
        Option(name, at if at in letters else "", help_of[name][0], has == "required", help_of[name][1])
        for name, has, at in table
    ]
    return options, text


def read_command(name: str, text: str) -> Command:
    file, help_name = ("settings.c", "settings_help") if name == "transcribe" else (f"{name}.c", "help")
    options, usage = read_options(RUNTIME / "cli" / file, help_name)
    takes = re.search(r"^Usage: .*\[OPTION\]\.\.\. \[?(FILE|MODEL)", usage)
    return Command(name, text, options, takes[1] if takes else "")


def read_program(program: str, alsa: bool) -> list[Command]:
    if program == "whisper158d":
        return [Command("", "", read_options(RUNTIME / "daemon" / "command_line.c", "command_line_help")[0], "")]
    source = (RUNTIME / "cli" / "main.c").read_text(encoding="utf-8")
    if not alsa:
        source = re.sub(r"#ifdef WHISPER158_ALSA.*?#endif", "", source, flags=re.DOTALL)
    return [read_command(name, text) for name, text in re.findall(r'\{"(\w+)", "([^"]+)", command_\w+\}', source)]


# ---- bash


def bash_values(option: Option) -> str:
    """What offers them: a function of the script, or nothing that can be offered."""
    if option.takes in WORDS:
        return f'words "{" ".join(WORDS[option.takes])}"'
    if option.model:
        return "models"
    return "files" if option.takes in FILES else "folders" if option.takes in FOLDERS else "nothing"


def bash_command(command: Command, indent: str) -> str:
    must = [option for option in command.options if option.must]
    rows = [f"{'|'.join(option.spellings)}) offer {bash_values(option)} ;;" for option in must]
    names = " ".join(f"--{option.name}" for option in command.options)
    rest = {"FILE": "files", "MODEL": "models", "": "nothing"}[command.takes]
    rows += [f'*) if [[ $word == -* ]]; then offer words "{names}"; else offer {rest}; fi ;;']
    return "".join(f"{indent}{row}\n" for row in ["case $before in", *rows, "esac"])


def bash(program: str, commands: list[Command]) -> str:
    if commands[0].name:
        names = " ".join(command.name for command in commands)
        body = "    case $((COMP_CWORD > 1 ? 1 : 0))${COMP_WORDS[1]} in\n"
        body += f'    0*) offer words "{names} --help --version" ;;\n'
        body += "".join(
            f"    1{command.name})\n{bash_command(command, '        ')}        ;;\n" for command in commands
        )
        body += "    esac\n"
    else:
        body = bash_command(commands[0], "    ")
    return f"""# bash completion for {program}, made by completions.py
_{program}_offer() {{
    case $1 in
    words) mapfile -t COMPREPLY < <(compgen -W "$2" -- "$word") ;;
    files) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    folders) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    models) mapfile -t COMPREPLY < <(compgen -f -X '!*.w158' -o plusdirs -- "$word") ;;
    esac
    [[ $1 == words ]] || compopt -o filenames 2>/dev/null
}}
_{program}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    # Bash makes three words of --option=value.
    [[ $word == = ]] && word=
    [[ $before == = ]] && before=${{COMP_WORDS[COMP_CWORD - 2]}}
    COMPREPLY=()
{body}}}
complete -F _{program} {program}
""".replace(" offer ", f" _{program}_offer ")


# ---- zsh


def zsh_quoted(text: str) -> str:
    return re.sub(r"([][:\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_values(option: Option) -> str:
    if not option.takes:
        return ""
    if option.takes in WORDS:
        return f":{option.takes}:({' '.join(WORDS[option.takes])})"
    if option.model:
        return ':MODEL:_files -g "*.w158"'
    action = "_files" if option.takes in FILES else "_files -/" if option.takes in FOLDERS else " "
    return f"{':' if option.must else '::'}{zsh_quoted(option.takes)}:{action}"


def zsh_command(command: Command) -> str:
    lines = []
    for option in command.options:
        sign = "=" if option.takes else ""
        tail = f"[{zsh_quoted(option.text)}]{zsh_values(option)}"
        lines.append(f"'--{option.name}{sign}{tail}'")
        if option.letter:
            lines.append(f"'-{option.letter}{'+' if option.takes else ''}{tail}'")
    rest = {"FILE": "'*:FILE:_files'", "MODEL": "'*:MODEL:_files -g \"*.w158\"'", "": ""}[command.takes]
    return " \\\n        ".join(["_arguments -s", *lines, *([rest] if rest else [])])


def zsh(program: str, commands: list[Command]) -> str:
    head = f"#compdef {program}\n# zsh completion for {program}, made by completions.py\n"
    if not commands[0].name:
        return f"{head}{zsh_command(commands[0])}\n"
    names = "\n    ".join(f"'{command.name}:{zsh_quoted(command.text)}'" for command in commands)
    cases = "".join(f"{command.name})\n        {zsh_command(command)}\n        ;;\n    " for command in commands)
    return f"""{head}local -a verbs
verbs=(
    {names}
)
if ((CURRENT == 2)); then
    _describe command verbs
    _arguments '--help[print a help text]' '--version[print the version]'
else
    local command=$words[2]
    shift words
    ((CURRENT--))
    case $command in
    {cases}esac
fi
"""


# ---- fish


def fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_option(program: str, condition: str, option: Option) -> str:
    words = ["complete", "-c", program, *(["-n", f"'{condition}'"] if condition else []), "-l", option.name]
    words += ["-s", option.letter] if option.letter else []
    if option.takes in WORDS:
        words += ["-x", "-a", f"'{' '.join(WORDS[option.takes])}'"]
    elif option.takes in FOLDERS:
        words += ["-x", "-a", "'(__fish_complete_directories)'"]
    elif option.takes:
        words += ["-r", "-F"] if option.takes in FILES else ["-x"] if option.must else []
    return " ".join([*words, "-d", fish_quoted(option.text)]) + "\n"


def fish(program: str, commands: list[Command]) -> str:
    out = f"# fish completion for {program}, made by completions.py\ncomplete -c {program} -f\n"
    for command in commands:
        seen = f"__fish_seen_subcommand_from {command.name}" if command.name else ""
        if command.name:
            out += f"complete -c {program} -n __fish_use_subcommand -a {command.name} -d {fish_quoted(command.text)}\n"
        if command.takes:
            out += f"complete -c {program} -n '{seen}' -F\n"
        out += "".join(fish_option(program, seen, option) for option in command.options)
    return out


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}


def main() -> None:
    shell, program, alsa, out = sys.argv[1:]
    Path(out).write_text(SHELLS[shell](program, read_program(program, alsa == "alsa")), encoding="utf-8")


if __name__ == "__main__":
    main()
