/** Everything that the stages above left in, one self-contained HTML page out (report.html). */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Stage } from '../stage.ts';

const schema = z.strictObject({
  title: z.string().optional().describe('the heading (default: the name of the pipeline)'),
});

export const report: Stage<typeof schema> = {
  kind: 'report',
  about: 'writes one HTML page about the run',
  schema,
  needs: {},
  takesAll: true,
  code: ['report'],
  entries: ['report.html'],
  async run({ config, out, pipeline }) {
    const [{ collect }, { reportHtml }] = await Promise.all([
      import('../../report/collect.ts'),
      import('../../report/html.ts'),
    ]);
    const data = await collect(pipeline.dir, { name: pipeline.name, title: config.title ?? pipeline.name });
    const html = reportHtml({ ...data, description: pipeline.description });
    await writeFile(join(out, 'report.html'), html);
    return { path: join(pipeline.dir, 'report.html'), bytes: Buffer.byteLength(html) };
  },
};
