/** `millrace status`: which stages of a pipeline are fresh, and why the others aren't. */
import { action, collect, type Define } from '../command.ts';
import { table } from '../format.ts';

const define: Define = (command) => {
  command
    .argument('<pipeline>', 'a YAML file, or the name of a pipeline that comes along')
    .option('--set <key=value>', 'override a key of the file (may be repeated)', collect, [])
    .action(
      action(async (call, path: string, options: { set: string[] }) => {
        const [{ loadPipeline }, { plan }, { readState }, { stages }] = await Promise.all([
          import('../../pipeline/load.ts'),
          import('../../pipeline/plan.ts'),
          import('../../pipeline/state.ts'),
          import('../../pipeline/stages/index.ts'),
        ]);
        const pipeline = await loadPipeline(path, { stages, overrides: options.set });
        const verdicts = await plan(pipeline, await readState(pipeline.dir));
        const color = { fresh: 'green', stale: 'yellow', waiting: 'dim' } as const;
        const rows = verdicts.map(({ stage, status, reasons }) => [stage, status, reasons.join('; ')]);
        const text = table([['stage', 'status', 'why'], ...rows])
          .split('\n')
          .map((line, i) =>
            i === 0 ? call.output.style('bold', line) : call.output.style(color[verdicts[i - 1]!.status], line),
          )
          .join('\n');
        return { data: { pipeline: pipeline.name, dir: pipeline.dir, stages: verdicts }, text };
      }),
    );
};
export default define;
