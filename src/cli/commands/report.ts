/** `millrace report`: one self-contained HTML page about a run, or about several on top of each other. */
import { join } from 'node:path';
import { action, type Define } from '../command.ts';
import { bytes } from '../format.ts';

const define: Define = (command) => {
  command
    .argument('<runs...>', 'run folders; the first one gives everything but the curves')
    .option('-o, --out <file>', 'where to write (default: report.html in the first folder)')
    .option('--dry-run', 'read everything, write nothing')
    .action(
      action(async (_, [first = '', ...others]: string[], options: { out?: string; dryRun?: boolean }) => {
        const [{ collect }, { reportHtml }, { writeWhole }] = await Promise.all([
          import('../../report/collect.ts'),
          import('../../report/html.ts'),
          import('../../atomic.ts'),
        ]);
        const data = await collect(first);
        for (const dir of others) data.runs.push(...(await collect(dir)).runs);
        const path = options.out ?? join(first, 'report.html');
        const html = reportHtml(data);
        if (!options.dryRun) await writeWhole(path, html);
        const size = Buffer.byteLength(html);
        return {
          data: { path, bytes: size, runs: data.runs.map(({ name }) => name) },
          text: `${options.dryRun ? 'would write' : 'wrote'} ${path} (${bytes(size)})`,
        };
      }),
    );
};
export default define;
