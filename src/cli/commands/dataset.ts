/** `millrace dataset`: build, show or verify a dataset of training rows. */
import { FORMATS, type Format } from '../../corpus/format.ts';
import type { Pack, TaskOptions } from '../../dataset/task.ts';
import { TASKS } from '../../dataset/task.ts';
import { MillraceError } from '../../errors.ts';
import { action, collect, type Define, integer, number } from '../command.ts';

interface BuildFlags {
  vocab: string;
  task: TaskOptions['kind'];
  seqLen: number;
  out: string;
  split: string;
  pack?: Pack;
  masking?: 'dynamic' | 'static';
  wholeWord?: boolean;
  ngram?: number;
  probability?: number;
  maxPredictions?: number;
  dupeFactor?: number;
  shortProbability?: number;
  sentences?: 'text' | 'lines';
  targetLen?: number;
  class: string[];
  pair?: boolean;
  bos?: boolean;
  /** False where --no-eos was given. */
  eos: boolean;
  prefix?: string;
  suffix?: string;
  density?: number;
  meanLength?: number;
  start?: 'bos' | 'pad' | 'eos';
  nfc?: boolean;
  whitespace?: boolean;
  dedup?: boolean;
  nearDedup?: number;
  minChars?: number;
  maxChars?: number;
  minLetters?: number;
  maxDigits?: number;
  maxSymbols?: number;
  parquet?: boolean;
  seed: number;
  threads?: number;
  format?: Format;
  field: string[];
  maxRejects: number;
  dryRun?: boolean;
  stages?: string;
  partitionBytes?: number;
}

const define: Define = (command) => {
  command
    .command('build')
    .description('build a dataset from text files or a corpus manifest')
    .argument('<globs...>', 'text files, or one corpora/*.yaml')
    .requiredOption('--vocab <dir>', 'folder with tokenizer.json')
    .requiredOption('--seq-len <n>', 'tokens of a row', integer({ min: 8 }))
    .requiredOption('--out <dir>', 'folder to write')
    .option('--task <task>', TASKS.join(', '), 'causal')
    .option('--pack <how>', 'of causal, mlm and chat rows: best-fit, concat or none')
    .option('--masking <when>', 'dynamic (afresh each epoch) or static (stored)')
    .option('--whole-word', 'mask whole words')
    .option('--ngram <n>', 'mask runs of up to n words', integer({ min: 1 }))
    .option('--probability <p>', 'share of tokens masked', number({ min: 0, max: 1 }))
    .option('--max-predictions <n>', 'masked tokens of a row at most', integer({ min: 1 }))
    .option('--dupe-factor <n>', 'nsp, sop: passes over the documents', integer({ min: 1 }))
    .option('--short-probability <p>', 'nsp, sop: share of documents with shorter pairs', number({ min: 0, max: 1 }))
    .option('--sentences <how>', 'nsp, sop: text (found in it) or lines')
    .option('--target-len <n>', 'seq2seq: tokens of a target', integer({ min: 2 }))
    .option('--class <name>', 'classify: a class; repeatable, in the order of their numbers', collect, [])
    .option('--pair', 'classify: two texts a row')
    .option('--bos', 'causal, chat: the begin token before each document')
    .option('--no-eos', 'causal, chat: no end token after each document')
    .option('--prefix <text>', 'chat: before each message, {role} filled in')
    .option('--suffix <text>', 'chat: after each message')
    .option('--density <share>', 'span: share of the tokens hidden', number({ min: 0, max: 1 }))
    .option('--mean-length <n>', 'span: tokens of a hidden span on average', number({ min: 1 }))
    .option('--start <role>', "seq2seq: the decoder's first token: bos, pad or eos")
    .option('--nfc', 'clean: Unicode normalisation form C')
    .option('--whitespace', 'clean: squeeze white space, drop control characters')
    .option('--min-chars <n>', 'clean: leave out shorter documents', integer({ min: 0 }))
    .option('--max-chars <n>', 'clean: leave out longer documents', integer({ min: 1 }))
    .option('--min-letters <share>', 'clean: letters among the characters at least', number({ min: 0, max: 1 }))
    .option('--max-digits <share>', 'clean: digits at most', number({ min: 0, max: 1 }))
    .option(
      '--max-symbols <share>',
      'clean: characters at most that are no letters, digits or space',
      number({ min: 0, max: 1 }),
    )
    .option('--dedup', 'clean: leave out exact copies')
    .option('--near-dedup <similarity>', 'clean: leave out near copies (0.8, say)', number({ min: 0, max: 1 }))
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
    .option('--stages <file>', 'build nothing; write the plan for `millrace stage`, to be run partition by partition')
    .option('--partition-bytes <n>', 'bytes of text that become one shard (32 MiB)', integer({ min: 1 }))
    .option('--parquet', 'write each shard as Parquet too')
    .option('--dry-run', 'print the plan and the files, write nothing')
    .action(
      action(async (call, files: string[], flags: BuildFlags) => {
        const { buildDataset, planDataset } = await import('../../dataset/build.ts');
        const options = {
          ...flags,
          files,
          task: task(flags),
          clean: clean(flags),
          split: shares(flags.split),
          field: flags.field.length > 0 ? flags.field : undefined,
        };
        if (flags.dryRun) {
          const data = await planDataset(options);
          const bytes = data.files.reduce((sum, file) => sum + file.bytes, 0);
          const text = `${JSON.stringify(data.plan, null, 2)}\n${data.files.length} files, ${bytes} bytes; nothing was written`;
          return { data, text };
        }
        if (flags.stages !== undefined) {
          const { writePlans } = await import('../../engine/write.ts');
          const data = await writePlans({ dataset: options, path: flags.stages });
          return { data, text: data.text };
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

/** The flags of the task that was chosen; one that another task has is an error, not silence. */
function task(flags: BuildFlags): TaskOptions {
  const kind = choice(flags.task, TASKS, '--task');
  const masked = ['masking', 'wholeWord', 'ngram', 'probability', 'maxPredictions'] as const;
  const paired = [...masked, 'dupeFactor', 'shortProbability', 'sentences'] as const;
  const own: Record<TaskOptions['kind'], readonly (keyof BuildFlags)[]> = {
    causal: ['pack', 'bos', 'eos'],
    mlm: ['pack', ...masked],
    nsp: paired,
    sop: paired,
    span: ['masking', 'density', 'meanLength'],
    seq2seq: ['targetLen', 'start'],
    classify: ['class', 'pair'],
    chat: ['pack', 'bos', 'eos', 'prefix', 'suffix'],
  };
  const all = new Set(Object.values(own).flat());
  const given = [...all].filter((flag) => isGiven(flag, flags[flag]));
  const strange = given.find((flag) => !own[kind].includes(flag));
  if (strange) {
    const option = `--${strange === 'eos' ? 'no-' : ''}${strange.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new MillraceError('usage', `${option} has no meaning for the task ${kind}`);
  }
  if (flags.pack) choice(flags.pack, ['best-fit', 'concat', 'none'], '--pack');
  if (flags.masking) choice(flags.masking, ['dynamic', 'static'], '--masking');
  if (flags.start) choice(flags.start, ['bos', 'pad', 'eos'], '--start');
  if (flags.sentences) choice(flags.sentences, ['text', 'lines'], '--sentences');
  const picked = Object.fromEntries(given.map((flag) => [flag === 'class' ? 'classes' : flag, flags[flag]]));
  return { kind, ...picked } as TaskOptions;
}

function isGiven(flag: keyof BuildFlags, value: unknown): boolean {
  if (flag === 'eos') return value === false;
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}

function choice<T extends string>(value: string, known: readonly T[], option: string): T {
  if ((known as readonly string[]).includes(value)) return value as T;
  throw new MillraceError('usage', `${option} ${value}: not one of ${known.join(', ')}`);
}

function clean(flags: BuildFlags) {
  const { nfc, whitespace, minChars, maxChars, minLetters, maxDigits, maxSymbols, dedup, nearDedup } = flags;
  return { nfc, whitespace, minChars, maxChars, minLetters, maxDigits, maxSymbols, dedup, nearDedup };
}

function shares(text: string): { train: number; validation: number; test: number } {
  const parts = text.split(',').map(Number);
  const [train = 0, validation = 0, test = 0] = parts;
  if (parts.length > 3 || parts.some((part) => !(part >= 0 && part <= 1))) {
    throw new MillraceError('usage', `--split ${text}: not shares between 0 and 1`, { hint: 'such as 0.98,0.01,0.01' });
  }
  return { train, validation, test };
}
