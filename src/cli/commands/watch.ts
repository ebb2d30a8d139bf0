/** `millrace watch`: the report's page on 127.0.0.1, growing while runs train. */
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { MillraceError } from '../../errors.ts';
import { action, type Define, integer } from '../command.ts';

const define: Define = (command) => {
  command
    .argument('<runs...>', 'run folders, or a folder of runs, drawn on top of each other')
    .option('-p, --port <n>', 'port on 127.0.0.1; 0 for any free one', integer({ min: 0, max: 65535 }), 7878)
    .action(
      action(async (call, dirs: string[], options: { port: number }) => {
        const [{ collect }, { watchRuns }] = await Promise.all([
          import('../../report/collect.ts'),
          import('../../report/watch.ts'),
        ]);
        const found: string[] = [];
        for (const dir of dirs) found.push(...(await runsIn(dir)));
        const names = distinct(
          found.map((dir) => basename(resolve(dir))),
          found,
        );
        const runs = found.map((dir, i) => ({ name: names[i]!, dir }));
        const about = async () => {
          const [first] = runs;
          const empty = { title: first!.name, runs: [] };
          const data = await collect(first!.dir, {
            name: first!.name,
            title: runs.length > 1 ? names.join(', ') : first!.name,
          }).catch(() => empty);
          return {
            ...data,
            runs: runs.map(({ name }) => data.runs.find((run) => run.name === name) ?? { name, events: [] }),
          };
        };
        const watching = await watchRuns({ runs, about, port: options.port });
        call.output.event({ type: 'listening', url: watching.url });
        if (!call.output.json) process.stdout.write(`${watching.url}\n`);
        call.output.note('Ctrl+C stops it.');
        if (!call.watch.signal.aborted) await once(call.watch.signal, 'abort');
        await watching.close();
        return { data: { url: watching.url }, text: '' };
      }),
    );
};
export default define;

/** The folder itself, and the runs in it: those of a folder of runs, of a sweep, or of a pipeline's further trainings. */
async function runsIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    throw new MillraceError('input', `no such folder: ${dir}`, {
      hint: 'start the run first, or check the path',
      cause,
    });
  });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(dir, name));
  const inner: string[] = [];
  for (const folder of folders) if (await isRun(folder)) inner.push(folder);
  const own = inner.length === 0 || entries.some(({ name }) => name === 'metrics.jsonl');
  return [...(own ? [dir] : []), ...inner.sort()];
}

const isRun = (dir: string) =>
  stat(join(dir, 'metrics.jsonl')).then(
    () => true,
    () => false,
  );

/** Folder names where they tell the runs apart, else the paths. */
function distinct(names: string[], paths: string[]): string[] {
  return new Set(names).size === names.length ? names : paths;
}
