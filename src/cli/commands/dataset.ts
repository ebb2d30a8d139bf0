/** `millrace dataset`: build, show or verify a dataset of training rows. */
import { FORMATS, type Format } from '../../corpus/format.ts';
import { MillraceError } from '../../errors.ts';
import { action, collect, type Define, integer } from '../command.ts';

interface BuildFlags {
  vocab: string;
  task: 'causal';
  seqLen: number;
  out: string;
  split: string;
  pack?: 'best-fit' | 'concat' | 'none';
  seed: number;
  threads?: number;
  format?: Format;
  field: string[];
  maxRejects: number;
  dryRun?: boolean;
}

const define: Define = (command) => {
  command
    .command('build')
    .description('build a dataset from text files or a corpus manifest')
    .argument('<globs...>', 'text files, or one corpora/*.yaml')
    .requiredOption('--vocab <dir>', 'folder with tokenizer.json')
    .requiredOption('--seq-len <n>', 'tokens of a row', integer({ min: 8 }))
    .requiredOption('--out <dir>', 'folder to write')
    .option('--task <task>', 'causal', 'causal')
    .option('--pack <how>', 'of causal rows: best-fit, concat or none')
    .option('--split <shares>', 'train,validation[,test]', '0.98,0.02')
    .option('--seed <n>', 'of everything drawn', integer({ min: 0 }), 0)
    .option('--threads <n>', 'worker threads', integer({ min: 1 }))
    .option('--format <format>', `${FORMATS.join(', ')}; by the extension where it is left out`)
    .option(
      '--field <path>',
      'field of JSONL (`meta.text`) or TSV (`0`); repeatable for tasks with several',
      collect,
      [],
    )
    .option('--max-rejects <n>', 'records that may be refused before the build stops', integer({ min: 0 }), 0)
    .option('--dry-run', 'print the plan and the files, write nothing')
    .action(
      action(async (call, files: string[], flags: BuildFlags) => {
        const { buildDataset, planDataset } = await import('../../dataset/build.ts');
        const options = {
          ...flags,
          files,
          split: shares(flags.split),
          field: flags.field.length > 0 ? flags.field : undefined,
        };
        if (flags.dryRun) {
          const data = await planDataset(options);
          const bytes = data.files.reduce((sum, file) => sum + file.bytes, 0);
          const text = `${JSON.stringify(data.plan, null, 2)}\n${data.files.length} files, ${bytes} bytes; nothing was written`;
          return { data, text };
        }
        const manifest = await buildDataset({ ...options, ...call.watch });
        const { summary } = await import('../../dataset/show.ts');
        return { data: manifest, text: `wrote ${flags.out}\n${summary(manifest)}` };
      }),
    );

  command
    .command('show')
    .description('statistics, and decoded rows')
    .argument('<dir>', 'dataset folder')
    .option('--rows <n>', 'rows to show', integer({ min: 0 }), 3)
    .option('--split <name>', 'train, validation or test', 'train')
    .option('--vocab <dir>', 'folder with tokenizer.json, to show text instead of ids')
    .action(
      action(async (_call, dir: string, flags: { rows: number; split: 'train'; vocab?: string }) => {
        const { showDataset } = await import('../../dataset/show.ts');
        return showDataset({ dir, ...flags });
      }),
    );

  command
    .command('verify')
    .description('compare every shard with the manifest')
    .argument('<dir>', 'dataset folder')
    .action(
      action(async (call, dir: string) => {
        const { verifyDataset } = await import('../../dataset/verify.ts');
        const manifest = await verifyDataset({ dir, ...call.watch });
        const shards = manifest.splits.flatMap((split) => split.shards);
        const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
        return {
          data: { ok: true, shards: shards.length, bytes },
          text: `${shards.length} shards, ${bytes} bytes: all as the manifest says`,
        };
      }),
    );
};
export default define;

function shares(text: string): { train: number; validation: number; test: number } {
  const parts = text.split(',').map(Number);
  const [train = 0, validation = 0, test = 0] = parts;
  if (parts.length > 3 || parts.some((part) => !(part >= 0 && part <= 1))) {
    throw new MillraceError('usage', `--split ${text}: not shares between 0 and 1`, { hint: 'such as 0.98,0.01,0.01' });
  }
  return { train, validation, test };
}
