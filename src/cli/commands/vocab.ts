/** `millrace vocab`: train, show, extend, prune or convert a vocabulary. */
import { action, collect, type Define, integer } from '../command.ts';

interface TrainFlags {
  kind: string;
  size: number;
  out: string;
  split?: string;
  minFrequency?: number;
  special: string[];
}

const define: Define = (command) => {
  command
    .command('train')
    .description('train a vocabulary on text files')
    .argument('<globs...>', 'UTF-8 text files')
    .requiredOption('--size <n>', 'entries at most, special tokens and alphabet counted', integer({ min: 1 }))
    .requiredOption('--out <dir>', 'folder to write tokenizer.json to')
    .option('--kind <kind>', 'bpe', 'bpe')
    .option('--split <split>', 'gpt2, cl100k, o200k, llama3, bert, none or a regular expression', 'gpt2')
    .option('--min-frequency <n>', 'merge no pair seen less often', integer({ min: 0 }))
    .option('--special <token>', 'special token (repeatable); default <|endoftext|>', collect, [])
    .action(
      action(async (call, files: string[], flags: TrainFlags) => {
        const { trainVocab } = await import('../../tokenizer/train.ts');
        const data = await trainVocab({
          files,
          kind: 'bpe',
          vocabSize: flags.size,
          split: flags.split,
          minFrequency: flags.minFrequency,
          specialTokens: flags.special.length > 0 ? flags.special : undefined,
          out: flags.out,
          ...call.watch,
        });
        return { data, text: `wrote ${data.path}: ${data.size} entries in ${data.seconds.toFixed(2)} s` };
      }),
    );
};
export default define;
