/** `millrace vocab`: train, count, show, extend, prune or convert a vocabulary. */
import type { Format } from '../../corpus/format.ts';
import type { Objective } from '../../tokenizer/train.ts';
import { action, collect, type Define, integer } from '../command.ts';

interface TrainFlags {
  kind: 'bpe' | 'wordpiece';
  size: number[];
  out: string;
  objective?: Objective;
  characters?: boolean;
  split?: string;
  normalizer?: string;
  minFrequency?: number;
  special: string[];
  limitAlphabet?: number;
  maxTokenLength?: number;
  threads?: number;
  format?: Format;
  field: string[];
  counts?: boolean;
  dryRun?: boolean;
}

const sizes = (text: string, before: number[] = []) => [...before, integer({ min: 1 })(text)];
const some = <T>(list: T[]) => (list.length > 0 ? list : undefined);

const define: Define = (command) => {
  command
    .command('train')
    .description('train a vocabulary on text')
    .argument('<globs...>', 'text files, records, or one corpora/*.yaml')
    .requiredOption('--size <n>', 'entries at most, special tokens and alphabet counted; repeatable', sizes)
    .requiredOption('--out <dir>', 'folder to write tokenizer.json to')
    .option('--kind <kind>', 'bpe or wordpiece', 'bpe')
    .option('--objective <name>', 'likelihood-ratio (default of wordpiece), likelihood-gain or frequency (of bpe)')
    .option('--characters', 'bpe over characters instead of bytes')
    .option('--split <split>', 'gpt2, cl100k, o200k, llama3, bert, none or a regular expression')
    .option('--normalizer <name>', 'none, bert, bert-cased, or a list such as nfkc,lowercase')
    .option('--min-frequency <n>', 'merge no pair seen less often', integer({ min: 0 }))
    .option('--special <token>', 'special token; repeatable', collect, [])
    .option('--limit-alphabet <n>', 'characters kept at most', integer({ min: 1 }))
    .option('--max-token-length <n>', 'tokens are shorter than that', integer({ min: 1 }))
    .option('--threads <n>', 'worker threads', integer({ min: 1 }))
    .option('--format <format>', 'how to take the files apart; by the extension where it is left out')
    .option('--field <path>', 'field of records; repeatable', collect, [])
    .option('--counts', 'the inputs are counts files')
    .option('--dry-run', 'print the options with their defaults, write nothing')
    .action(
      action(async (call, globs: string[], flags: TrainFlags) => {
        const { trainVocab, planVocab } = await import('../../tokenizer/train.ts');
        const { size, special, field, counts, characters, dryRun, ...rest } = flags;
        const options = {
          ...rest,
          ...(counts ? { counts: globs } : { files: globs }),
          vocabSize: size,
          alphabet: characters ? ('characters' as const) : undefined,
          specialTokens: some(special),
          field: some(field),
        };
        if (dryRun) {
          const data = planVocab(options);
          return { data, text: `${JSON.stringify(data, null, 2)}\nnothing was written` };
        }
        const data = await trainVocab({ ...options, ...call.watch });
        return { data, text: `wrote ${data.path}: ${data.size} entries in ${data.seconds.toFixed(2)} s` };
      }),
    );

  command
    .command('count')
    .description('count words into a file, for vocab train --counts')
    .argument('<globs...>', 'text files, records, or one corpora/*.yaml; with --counts, counts files to add up')
    .requiredOption('--out <file>', 'counts file to write')
    .option('--split <split>', 'as in vocab train', 'gpt2')
    .option('--normalizer <name>', 'as in vocab train', 'none')
    .option('--special <token>', 'cut out and not counted; repeatable', collect, [])
    .option('--threads <n>', 'worker threads', integer({ min: 1 }))
    .option('--format <format>', 'how to take the files apart; by the extension where it is left out')
    .option('--field <path>', 'field of records; repeatable', collect, [])
    .option('--counts', 'the inputs are counts files')
    .option('--stages', 'count nothing; write to --out the plan for `millrace stage count`, to be run part by part')
    .action(
      action(async (call, globs: string[], flags: TrainFlags & { out: string; stages?: boolean }) => {
        const { special, field, counts, stages, ...rest } = flags;
        if (stages) {
          const { writePlans } = await import('../../engine/write.ts');
          const { split = 'gpt2', normalizer = 'none', format, out } = rest;
          const how = { split, normalizer, specialTokens: special };
          const data = await writePlans({ count: { files: globs, format, field: some(field) }, how, path: out });
          return { data, text: data.text };
        }
        const { countWords } = await import('../../tokenizer/words.ts');
        const sources = counts ? { counts: globs } : { files: globs };
        const data = await countWords({
          ...rest,
          ...sources,
          specialTokens: special,
          field: some(field),
          ...call.watch,
        });
        return { data, text: `wrote ${data.path}: ${data.words} words, ${data.distinctWords} different` };
      }),
    );

  command
    .command('show')
    .description('size, longest tokens; on a corpus: bytes per token, fertility, unused tokens')
    .argument('<dir>', 'folder or file of the vocabulary')
    .argument('[globs...]', 'text files to measure on')
    .action(
      action(async (call, dir: string, files: string[]) => {
        const { showVocab } = await import('../../tokenizer/show.ts');
        return showVocab({ dir, files, ...call.watch });
      }),
    );

  command
    .command('extend')
    .description('train on from a vocabulary: every token keeps its id, new ones follow')
    .argument('<dir>', 'folder or file of the vocabulary')
    .argument('<globs...>', 'text files, records, or one corpora/*.yaml; with --counts, counts files')
    .requiredOption('--size <n>', 'entries afterwards at most', integer({ min: 1 }))
    .requiredOption('--out <dir>', 'folder to write tokenizer.json to')
    .option('--objective <name>', 'likelihood-ratio, likelihood-gain or frequency', 'frequency')
    .option('--min-frequency <n>', 'merge no pair seen less often', integer({ min: 0 }), 2)
    .option('--max-token-length <n>', 'tokens are shorter than that', integer({ min: 1 }))
    .option('--threads <n>', 'worker threads', integer({ min: 1 }))
    .option('--format <format>', 'how to take the files apart; by the extension where it is left out')
    .option('--field <path>', 'field of records; repeatable', collect, [])
    .option('--counts', 'the inputs are counts files')
    .action(
      action(async (call, dir: string, globs: string[], flags: Omit<TrainFlags, 'size'> & { size: number }) => {
        const { extendVocab } = await import('../../tokenizer/extend.ts');
        const { size, field, counts, ...rest } = flags;
        const sources = counts ? { counts: globs } : { files: globs };
        const data = await extendVocab({
          ...rest,
          ...sources,
          dir,
          vocabSize: size,
          field: some(field),
          ...call.watch,
        });
        return { data, text: `wrote ${data.path}: ${data.size} entries, ${data.added} of them new` };
      }),
    );

  command
    .command('prune')
    .description('take the least used tokens out, and write which ids are kept')
    .argument('<dir>', 'folder or file of the vocabulary')
    .argument('[globs...]', 'text files that tell how often a token is used; without any, the newest go')
    .requiredOption('--size <n>', 'entries afterwards at most', integer({ min: 1 }))
    .requiredOption('--out <dir>', 'folder to write tokenizer.json and kept_ids.json to')
    .action(
      action(async (call, dir: string, files: string[], flags: { size: number; out: string }) => {
        const { pruneVocab } = await import('../../tokenizer/prune.ts');
        const { kept, ...data } = await pruneVocab({
          dir,
          files,
          vocabSize: flags.size,
          out: flags.out,
          ...call.watch,
        });
        return { data, text: `wrote ${data.path}: ${data.size} entries, ${data.removed} removed` };
      }),
    );

  command
    .command('convert')
    .description('write a vocabulary in another form')
    .argument('<dir>', 'folder or file of the vocabulary')
    .requiredOption('--to <form>', 'tokenizer.json, vocab.txt, gpt2 (vocab.json, merges.txt) or tiktoken')
    .requiredOption('--out <dir>', 'folder to write')
    .action(
      action(async (_call, dir: string, flags: { to: 'tokenizer.json'; out: string }) => {
        const { Tokenizer } = await import('../../tokenizer/tokenizer.ts');
        const paths = await (await Tokenizer.load(dir)).save(flags.out, { form: flags.to });
        return { data: { paths }, text: `wrote ${paths.join(', ')}` };
      }),
    );
};
export default define;
