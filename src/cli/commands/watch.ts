/** `millrace watch`: the report's page on 127.0.0.1, growing while runs train. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { MillraceError } from '../../errors.ts';
import { action, type Define, integer } from '../command.ts';

const define: Define = (command) => {
  command
    .argument('<runs...>', 'run folders, drawn on top of each other')
    .option('-p, --port <n>', 'port on 127.0.0.1; 0 for any free one', integer({ min: 0, max: 65535 }), 7878)
    .action(
      action(async (call, dirs: string[], options: { port: number }) => {
        const [{ collect }, { watchRuns }] = await Promise.all([
          import('../../report/collect.ts'),
          import('../../report/watch.ts'),
        ]);
        for (const dir of dirs) {
          if (await stat(dir).catch(() => undefined)) continue;
          throw new MillraceError('input', `no such folder: ${dir}`, {
            hint: 'start the run first, or check the path',
          });
        }
        const names = distinct(
          dirs.map((dir) => basename(resolve(dir))),
          dirs,
        );
        const runs = dirs.map((dir, i) => ({ name: names[i]!, dir }));
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

/** Folder names where they tell the runs apart, else the paths. */
function distinct(names: string[], paths: string[]): string[] {
  return new Set(names).size === names.length ? names : paths;
}
