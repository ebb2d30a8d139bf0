/** A tree of commands in, completion scripts out; words are completed, files wherever no word fits. */

export interface Node {
  name: string;
  summary: string;
  options: string[];
  commands: Node[];
}

export type Shell = 'bash' | 'zsh' | 'fish';

export const scripts: Record<Shell, (verbs: Node[]) => string> = { bash, zsh, fish };

/** Every path into the tree (`vocab train`) with what may follow. */
function paths(verbs: Node[]): { path: string; words: string[] }[] {
  return verbs.flatMap((verb) => [
    { path: verb.name, words: [...verb.commands.map(({ name }) => name), ...verb.options] },
    ...verb.commands.map((inner) => ({ path: `${verb.name} ${inner.name}`, words: inner.options })),
  ]);
}

function bash(verbs: Node[]): string {
  const cases = paths(verbs).map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`);
  return `# bash completion for millrace
_millrace() {
  local current=\${COMP_WORDS[COMP_CWORD]} verb=\${COMP_WORDS[1]} inner=\${COMP_WORDS[2]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${verbs.map(({ name }) => name).join(' ')} --help --version'
  else
    case "$verb" in
${verbs
  .filter(({ commands }) => commands.length > 0)
  .map(({ name }) => `      ${name}) [ "$COMP_CWORD" -gt 2 ] && verb="$verb $inner" ;;`)
  .join('\n')}
    esac
    case "$verb" in
${cases.join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _millrace millrace
`;
}

function zsh(verbs: Node[]): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''").replaceAll(':', '\\:');
  const cases = verbs.map(({ name, commands, options }) => {
    const inner = commands.map(
      (c) => `        ${c.name}) _values -w option ${c.options.map((o) => `'${o}'`).join(' ')}; _files ;;`,
    );
    if (commands.length === 0)
      return `    ${name}) _values -w option ${options.map((o) => `'${o}'`).join(' ')}; _files ;;`;
    return `    ${name})
      if (( CURRENT == 3 )); then _values subcommand ${commands.map((c) => `'${c.name}[${quote(c.summary)}]'`).join(' ')}; return; fi
      case $words[3] in
${inner.join('\n')}
      esac ;;`;
  });
  return `#compdef millrace
_millrace() {
  if (( CURRENT == 2 )); then
    local -a verbs=(${verbs.map(({ name, summary }) => `'${name}:${quote(summary)}'`).join(' ')})
    _describe command verbs
    return
  fi
  case $words[2] in
${cases.join('\n')}
  esac
}
_millrace "$@"
`;
}

function fish(verbs: Node[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
  const lines = verbs.flatMap((verb) => {
    // `vocab train` has seen the word `train` too.
    const parents = verbs.filter(({ commands }) => commands.some(({ name }) => name === verb.name));
    const not = parents.map(({ name }) => `; and not __fish_seen_subcommand_from ${name}`).join('');
    const here = `__fish_seen_subcommand_from ${verb.name}${not}`;
    const options = (list: string[], condition: string) =>
      list.filter((o) => o.startsWith('--')).map((o) => `complete -c millrace -n ${quote(condition)} -l ${o.slice(2)}`);
    return [
      `complete -c millrace -n __fish_use_subcommand -f -a ${verb.name} -d ${quote(verb.summary)}`,
      ...verb.commands.flatMap((inner) => [
        `complete -c millrace -n ${quote(`${here}; and not __fish_seen_subcommand_from ${verb.commands.map(({ name }) => name).join(' ')}`)} -f -a ${inner.name} -d ${quote(inner.summary)}`,
        ...options(inner.options, `${here}; and __fish_seen_subcommand_from ${inner.name}`),
      ]),
      ...(verb.commands.length === 0 ? options(verb.options, here) : []),
    ];
  });
  return `# fish completion for millrace\n${lines.join('\n')}\n`;
}
