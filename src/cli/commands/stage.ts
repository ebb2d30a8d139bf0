/**
 * `millrace stage`: one stage on one partition, an Arrow stream in and an Arrow stream out, for the engines of a cluster.
 * Exit codes: 0 done, 64 pointless to try again (the plan, the data), 75 worth another try (a cut stream, a full disk).
 */
import { join } from 'node:path';
import { MillraceError } from '../../errors.ts';
import { action, type Call, type Define, integer, type Outcome } from '../command.ts';

interface Flags {
  plan: string;
  partition?: number;
  attempt: number;
  read?: boolean;
  into?: string;
  out?: string;
  maxRejects: number;
}

const define: Define = (command) => {
  command
    .argument('<steps>', 'count, dedup, tokenize, pack, mask; tokenize,pack,mask in one process; at the end merge')
    .requiredOption('--plan <file>', 'what to do: the same file for all partitions')
    .option(
      '--partition <n>',
      'which partition of the plan; without it each stream says so, and many may come one after the other',
      integer({ min: 0 }),
    )
    .option('--attempt <n>', 'how often it has been tried before; changes nothing but messages', integer({ min: 0 }), 0)
    .option('--read', "read the plan's files where they lie, instead of the standard input")
    .option('--into <dir>', 'dataset folder: put packed files there, instead of on the standard output')
    .option('--out <dir>', 'merge: the dataset folder, with what the stages of all partitions put there')
    .option('--max-rejects <n>', 'merge: records that may be refused', integer({ min: 0 }), 0)
    .action(
      action(async (call, steps: string, flags: Flags) =>
        steps === 'merge' ? merge(call, flags) : stage(call, steps, flags),
      ),
    );
};
export default define;

async function merge({ watch }: Call, { plan, out, maxRejects }: Flags): Promise<Outcome> {
  if (out === undefined) throw new MillraceError('usage', 'merge needs --out, the dataset folder');
  const [{ mergeStages }, { summary }] = await Promise.all([
    import('../../engine/merge.ts'),
    import('../../dataset/show.ts'),
  ]);
  const manifest = await mergeStages({ plan, out, maxRejects, ...watch });
  return { data: manifest, text: `wrote ${out}\n${summary(manifest)}` };
}

async function stage(call: Call, names: string, flags: Flags): Promise<undefined> {
  const { runStage } = await import('../../engine/stage.ts');
  const name = flags.partition === undefined ? names : `${names} ${flags.partition} (attempt ${flags.attempt})`;
  try {
    if (flags.partition === undefined && flags.read) throw new MillraceError('usage', '--read needs --partition');
    let said = performance.now();
    const onProgress = ({ done, total }: { done: number; total: number }) => {
      if (performance.now() - said < 5000) return;
      said = performance.now();
      process.stderr.write(`${JSON.stringify({ type: 'progress', stage: name, done, total, unit: 'bytes' })}\n`);
    };
    const into = flags.into === undefined ? undefined : join(flags.into, '.build');
    const { signal } = call.watch;
    await runStage({
      names,
      plan: flags.plan,
      partition: flags.partition,
      fromFiles: flags.read,
      into,
      signal,
      onProgress,
    });
    process.exitCode = 0;
  } catch (error) {
    const { code, message, hint } = error as MillraceError;
    const known = error instanceof MillraceError;
    process.exitCode = known && (code === 'config' || code === 'input' || code === 'usage') ? 64 : 75;
    if (call.output.json) {
      process.stderr.write(`${JSON.stringify({ type: 'error', stage: name, code, message, hint })}\n`);
    } else process.stderr.write(`millrace stage ${name}: ${message}${hint === undefined ? '' : ` (${hint})`}\n`);
  }
}
