/** `millrace evaluate`: loss, perplexity, bits a byte and accuracies of a model on held-out rows. */
import { Option } from 'commander';
import { MillraceError } from '../../errors.ts';
import { action, type Call, type Define, integer, type Outcome } from '../command.ts';
import { count, table } from '../format.ts';

interface Options {
  dataset?: string;
  data?: string[];
  split: 'validation' | 'test';
  batchSize: number;
  batches?: number;
  threads?: number;
}

const define: Define = (command) => {
  command
    .argument('<checkpoint>', 'a run, a checkpoint, or a Hugging Face folder')
    .option('--dataset <dir>', 'the dataset; by default the one that the run was trained on')
    .option('--data <files...>', 'of a fine-tuned run: examples to score on (.jsonl, .json, .tsv)')
    .addOption(new Option('--split <split>', 'which rows').choices(['validation', 'test']).default('validation'))
    .option('--batch-size <n>', 'rows of a batch', integer({ min: 1 }), 16)
    .option('--batches <n>', 'at most so many batches', integer({ min: 1 }))
    .option('--threads <n>', 'all cores by default', integer({ min: 1 }))
    .action(
      action(async (call, checkpoint: string, { dataset: given, data: files, ...options }: Options) => {
        if (files) return scores(await scoreOn(call, checkpoint, files));
        const [{ openPretrained }, { evaluateModel }, { runSettings }] = await Promise.all([
          import('../../pretrained/open.ts'),
          import('../../train/evaluate_run.ts'),
          import('../../train/load_run.ts'),
        ]);
        const { model, weights, folder, tokenizer } = await openPretrained({ path: checkpoint });
        try {
          const settings = await runSettings(folder);
          const dataset = given ?? settings.dataset;
          if (dataset === undefined) {
            throw new MillraceError('usage', `${checkpoint} does not say what it was trained on`, {
              hint: 'name a dataset with --dataset, or examples for a fine-tuned model with --data',
            });
          }
          const result = await evaluateModel({
            ...options,
            ...call.watch,
            model,
            load: (session) =>
              weights.each(model.parameters, (name, values, start) => session.write('weight', name, values, start)),
            dataset,
            vocab: tokenizer,
            isolate: settings.isolate,
          });
          const rows: [string, string | undefined][] = [
            ['loss', result.loss.toFixed(4)],
            ...Object.entries(result.losses).map(([term, loss]): [string, string] => [`loss ${term}`, loss.toFixed(4)]),
            ['perplexity', result.perplexity?.toFixed(2)],
            ['bits a byte', result.bitsPerByte?.toFixed(4)],
            ...Object.entries(result.accuracy).map(([term, share]): [string, string] => [
              `right ${term}`,
              `${(100 * share).toFixed(2)} %`,
            ]),
            ['items', count(result.items)],
          ];
          const text = table(rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
          return { data: { dataset, ...result }, text };
        } finally {
          await weights.close();
        }
      }),
    );
};
export default define;

async function scoreOn(call: Call, run: string, files: string[]): Promise<Record<string, unknown>> {
  const { scoreFinetuned } = await import('../../finetune/score.ts');
  return scoreFinetuned({ run, files, ...call.watch });
}

function scores(data: Record<string, unknown>): Outcome {
  const rows = Object.entries(data).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value]] : []));
  return { data, text: table(rows) };
}
