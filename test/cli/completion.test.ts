/** Completion as the shells themselves do it. Bash is on every machine that runs the tests; the others where they are. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { scripts } from '../../src/cli/completion.ts';
import { commandTree } from '../../src/cli/tree.ts';

const dir = mkdtempSync(join(tmpdir(), 'millrace-completion-'));
const verbs = await commandTree();
const file = (shell: 'bash' | 'zsh' | 'fish') => {
  const path = join(dir, `_millrace.${shell}`);
  writeFileSync(path, scripts[shell](verbs));
  return path;
};
const shell = (name: string, args: string[]) => spawnSync(name, args, { encoding: 'utf8', cwd: dir });
const there = (name: string) => shell(name, ['-c', 'true']).status === 0;

const LINES: [line: string[], among: string[], not: string[]][] = [
  [['vo'], ['vocab'], ['run']],
  [['vocab', ''], ['train', 'show'], ['--size']],
  [['vocab', 'train', '--s'], ['--size', '--split'], ['--set']],
  [['train', '--s'], ['--set'], ['--size']],
  [['run', '--f'], ['--from', '--force'], []],
];

test('bash', (t) => {
  const path = file('bash');
  t.is(shell('bash', ['-n', path]).status, 0);
  for (const [line, among, not] of LINES) {
    const words = ['millrace', ...line].map((word) => `'${word}'`).join(' ');
    const script = `source '${path}'; COMP_WORDS=(${words}); COMP_CWORD=${line.length}; _millrace; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = shell('bash', ['-c', script]);
    const found = stdout.split('\n');
    for (const word of among) t.true(found.includes(word), `${line.join(' ')}: ${word} in ${stdout}${stderr}`);
    for (const word of not) t.false(found.includes(word), `${line.join(' ')}: ${word}`);
  }
});

if (there('fish')) {
  test('fish', (t) => {
    const path = file('fish');
    t.is(shell('fish', ['-n', path]).status, 0);
    for (const [line, among, not] of LINES) {
      const { stdout, stderr } = shell('fish', ['-c', `source '${path}'; complete -C 'millrace ${line.join(' ')}'`]);
      const found = stdout.split('\n').map((row) => row.split('\t')[0]!);
      // At the level of subcommands fish offers options too.
      for (const word of among) t.true(found.includes(word), `${line.join(' ')}: ${word} in ${stdout}${stderr}`);
      for (const word of line.at(-1) === '' ? [] : not) t.false(found.includes(word), `${line.join(' ')}: ${word}`);
    }
  });
}

if (there('zsh')) {
  test('zsh', (t) => {
    const path = file('zsh');
    t.is(shell('zsh', ['-n', path]).status, 0);
    for (const [line, among] of LINES) {
      // A terminal of zsh's own, in which Tab is pressed; the list it draws is read.
      // Each wait ends as soon as what it waits for is there, and fails after 20 s: a loaded machine only makes it slower.
      const script = `
        zmodload zsh/zpty
        until_seen() { for n in {1..400}; do while zpty -r -t z part; do got+=$part; done; [[ $got == *$1* ]] && return; sleep 0.05; done }
        zpty -b z zsh -f -i
        zpty -w z "PS1=; autoload -Uz compinit; compinit -D -u; zstyle ':completion:*' list-prompt ''; LISTMAX=0; setopt no_list_beep"
        zpty -w z "source '${path}'; compdef _millrace millrace; print set''up-done"
        until_seen setup-done; got=
        zpty -w -n z "millrace ${line.join(' ')}"$'\\t\\t'
        for word in ${among.join(' ')}; do until_seen $word; done
        print -r -- $got; zpty -d z`;
      const { stdout } = shell('zsh', ['-fc', script]);
      for (const word of among) t.true(stdout.includes(word), `${line.join(' ')}: ${word} in ${stdout}`);
    }
  });
}
