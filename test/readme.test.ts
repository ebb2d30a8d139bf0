/** What README.md and docs/ tell people to type, and the first program, work as they stand. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { verbs } from '../src/cli/registry.ts';
import { millrace, root } from './cli/run.ts';

const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** Lines of `sh` blocks, comments cut off, lines that end in a backslash joined. */
function commands(page: string): string[] {
  return [...readFileSync(join(root, page), 'utf8').matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block]) =>
    block!
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== '' && !line.startsWith('#')),
  );
}

/** The words of a line as a shell would cut it. */
const words = (line: string): string[] =>
  [...line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replaceAll(/["']/g, ''));

/** Command lines of ours in a shell line: what follows `millrace` or `node dist/cli/main.js`, up to a pipe. */
function ours(line: string): string[][] {
  return line
    .split(/ \| | && |; /)
    .map((part) => words(part.replace(/ [<>] ?\S+/g, '')))
    .map((all) => all.slice(1 + all.findIndex((word) => /^(millrace|dist\/cli\/main\.js)$/.test(word))))
    .filter((all, i) => all.length > 0 && /millrace |dist\/cli\/main\.js/.test(line.split(/ \| | && |; /)[i]!));
}

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

for (const page of pages) {
  const lines = commands(page);
  if (lines.length === 0) continue;
  test(`${page}: every npm script, verb and option that it names is there`, async (t) => {
    for (const line of lines) {
      const script = /^npm (?:run (?:--silent )?)?(start|test|[\w:-]+)/.exec(line)?.[1];
      if (script && !['install', 'rebuild', 'ci'].includes(script)) t.true(script in scripts, line);
      for (const args of ours(line)) {
        const [verb = ''] = args;
        if (verb.startsWith('-')) continue;
        t.true(
          verbs().some(({ name }) => name === verb),
          `${line}: ${verb}`,
        );
        const sub = ['vocab', 'dataset', 'recipes'].includes(verb) ? [args[1]!] : [];
        const { code, stdout } = await millrace([verb, ...sub, '--help']);
        t.is(code, 0, line);
        for (const option of args.filter((word) => /^--?[a-z]/.test(word))) {
          t.true(stdout.includes(option.replace(/=.*/, '')), `${line}: ${option}`);
        }
        for (const file of args.filter((word) => /^pipelines\/.*\.yaml$/.test(word))) {
          t.true(existsSync(join(root, file)), `${line}: ${file}`);
        }
      }
    }
  });
}

for (const page of pages) {
  test(`${page}: every link and picture is there`, (t) => {
    const text = readFileSync(join(root, page), 'utf8').replaceAll(/```.*?```/gs, '');
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!.replace(/#.*/, ''));
    const inside = targets.filter((target) => target !== '' && !/^\w+:/.test(target));
    t.deepEqual(
      inside.filter((target) => !existsSync(join(root, dirname(page), target))),
      [],
    );
  });
}

test('examples/first.ts, and a model of one’s own on its dataset', (t) => {
  // A project of a user's: the package lies in its node_modules.
  const dir = mkdtempSync(join(tmpdir(), 'millrace-first-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  cpSync(join(root, 'package.json'), join(dir, 'package.json'));
  for (const name of ['node_modules', 'dist', 'native']) symlinkSync(join(root, name), join(dir, name));
  const run = (name: string) => {
    cpSync(join(root, 'examples', `${name}.ts`), join(dir, `${name}.mts`));
    const options = { cwd: dir, encoding: 'utf8' } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import=tsx', `${name}.mts`], options);
    t.is(status, 0, stderr);
    return stdout;
  };
  const first = run('first');
  t.regex(first, /^C all Ġme Ġ\S+/);
  t.regex(first, /^8 rows of 64 tokens: ./m);
  const code = readFileSync(join(dir, 'first.mts'), 'utf8').split('\n');
  t.true(code.filter((line) => line.trim() !== '').length <= 16, 'a first program is short');
  const [, parameters, loss, validation] = /of (\d+) parameters: loss (\S+), validation (\S+)/.exec(run('own_model'))!;
  t.is(Number(parameters), 1000 * 64 + 64 * 64 + 2 * (2 * 64 + 4 * 64 * 64 + 8 * 64 * 64));
  t.true(Number(loss) < 6 && Number(validation) < 6, `${loss}, ${validation}: ln 1000 is 6.9`);
});

for (const name of readdirSync(join(root, 'pipelines'))) {
  test(`pipelines/${name} passes --dry-run`, async (t) => {
    const { code, stdout, stderr } = await millrace(['run', join(root, 'pipelines', name), '--dry-run', '--json'], {
      cwd: root,
    });
    t.is(code, 0, stderr + stdout);
    t.is((JSON.parse(stdout) as { pipeline: string }).pipeline, name.replace(/\.yaml$/, ''));
  });
}
