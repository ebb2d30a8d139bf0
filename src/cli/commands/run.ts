/** `millrace run`: brings a pipeline's stages up to date and says what it made. */
import type { RunEvent } from '../../pipeline/run.ts';
import type { TrainEvent } from '../../train/events.ts';
import { action, type Call, collect, type Define } from '../command.ts';
import { count, duration, table } from '../format.ts';
import { describeRun, oneLine } from '../summary.ts';

interface Options {
  from?: string;
  only?: string;
  force?: boolean;
  dryRun?: boolean;
  set: string[];
  engine?: string;
  engineConf: string[];
}

const define: Define = (command) => {
  command
    .argument('<pipeline>', 'a YAML file, or the name of a pipeline that comes along')
    .argument('[stages...]', 'only these stages and those they need')
    .option('--from <stage>', 'begin with this stage; take those above it as they are')
    .option('--only <stage>', 'this stage alone; take those above it as they are')
    .option('--force', 'run the chosen stages even where they are fresh')
    .option('--dry-run', 'print what would run, and what it would be; write nothing')
    .option(
      '--set <key=value>',
      'override a key of the file, such as stages.train.maxSteps=10 (may be repeated)',
      collect,
      [],
    )
    .option('--engine <url>', 'count words and build datasets there: spark://host:port, local[*], ray, ray://host:port')
    .option('--engine-conf <key=value>', 'a setting of the engine, such as spark.executor.memory=4g', collect, [])
    .action(
      action(async (call, path: string, targets: string[], options: Options) => {
        const [{ loadPipeline }, { runPipeline }, { runSweep }, { stages }] = await Promise.all([
          import('../../pipeline/load.ts'),
          import('../../pipeline/run.ts'),
          import('../../pipeline/sweep.ts'),
          import('../../pipeline/stages/index.ts'),
        ]);
        const pipeline = await loadPipeline(path, { stages, overrides: options.set });
        const choice = { targets, from: options.from, only: options.only, force: options.force };
        if (options.dryRun) {
          const { dryRun } = await import('../../pipeline/preview.ts');
          const preview = await dryRun(pipeline, choice);
          const { combinations } = await import('../../pipeline/sweep.ts');
          const paths = Object.keys(pipeline.sweep);
          const points = paths.length > 0 ? combinations(pipeline.sweep) : [];
          const sweep = points.length > 0 ? `\nsweep: ${points.length} times, over ${paths.join(', ')}` : '';
          return { data: { ...preview, sweep: points }, text: describePreview(preview) + sweep };
        }
        const { engine: url, engineConf } = options;
        const elsewhere =
          url === undefined ? undefined : (await import('../elsewhere.ts')).openElsewhere(url, engineConf, call);
        const run = { ...choice, ...call.watch, onEvent: narrate(call), elsewhere };
        try {
          if (Object.keys(pipeline.sweep).length > 0) {
            const result = await runSweep(path, { stages, overrides: options.set, run });
            const rows = result.points.map(({ values, figures }) => [
              ...Object.values(values).map(String),
              ...Object.values(figures),
            ]);
            const head = [...Object.keys(pipeline.sweep), ...Object.keys(result.points[0]?.figures ?? {})];
            return { data: result, text: `${table([head, ...rows])}\n\nwrote ${result.path}` };
          }
          const result = await runPipeline(pipeline, run);
          return { data: { pipeline: pipeline.name, ...result }, text: describeRun(pipeline, result, call.output) };
        } finally {
          await elsewhere?.close();
        }
      }),
    );
};
export default define;

/** Stages as they begin and end, on stderr. */
function narrate({ output }: Call): (event: RunEvent) => void {
  return (event) => {
    if (output.json) output.event({ ...event });
    else if (event.type === 'stage-fresh')
      output.note(`${output.style('green', '✓', process.stderr)} ${event.stage}: fresh`);
    else if (event.type === 'stage-start')
      output.note(`${output.style('cyan', '▸', process.stderr)} ${event.stage}: ${event.reasons.join('; ')}`);
    else if (event.type === 'stage-end') {
      const how = event.adopted ? 'taken over' : duration(event.seconds);
      output.note(`${output.style('green', '✓', process.stderr)} ${event.stage}: ${oneLine(event.summary)} (${how})`);
    } else {
      const words = inWords(event.event as unknown as TrainEvent);
      if (words) output.note(`  ${words}`);
    }
  };
}

/** What is worth a line while a model trains. */
function inWords(event: TrainEvent): string | undefined {
  if (event.type === 'start') {
    const from = event.resumedFrom === undefined ? '' : `, going on from ${event.resumedFrom}`;
    return `${count(event.parameters)} parameters, ${count(event.tokensPerStep)} tokens a step${from}`;
  }
  if (event.type === 'validation') {
    const bits = event.bitsPerByte === undefined ? '' : `, ${event.bitsPerByte.toFixed(3)} bits a byte`;
    return `step ${count(event.step)}: validation loss ${event.loss.toFixed(4)}${bits}`;
  }
  if (event.type !== 'sample') return undefined;
  const line = event.text.replace(/\s+/g, ' ').trim();
  return `step ${count(event.step)}: “${line.length > 90 ? `${line.slice(0, 90)}…` : line}”`;
}

function describePreview({
  stages,
}: {
  stages: { stage: string; action: string; reasons: string[]; notes: string[] }[];
}): string {
  return stages
    .map(({ stage, action: what, reasons, notes }) =>
      [
        `${stage}: ${what}${reasons.length > 0 ? ` (${reasons.join('; ')})` : ''}`,
        ...notes.map((note) => `  ${note}`),
      ].join('\n'),
    )
    .join('\n');
}
