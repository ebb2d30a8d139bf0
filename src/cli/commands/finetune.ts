/** `millrace finetune`: trains a checkpoint further, as a recipe says. */
import { action, collect, type Define, integer } from '../command.ts';
import { count, table } from '../format.ts';

interface Options {
  set: string[];
  resume?: string;
  threads?: number;
  maxSteps?: number;
  dryRun?: boolean;
}

const define: Define = (command) => {
  command
    .argument('<recipe>', 'a YAML file: checkpoint, task, data, update, optimizer, training, out')
    .option('--set <key=value>', 'override a key, such as update=lora (may be repeated)', collect, [])
    .option('--resume <how>', 'auto: go on from the newest checkpoint; or the path of one')
    .option('--threads <n>', 'worker threads', integer({ min: 1 }))
    .option('--max-steps <n>', 'stop after so many updates', integer({ min: 1 }))
    .option('--dry-run', 'check the recipe and print it whole; write nothing')
    .action(
      action(async (call, path: string, { set, dryRun, ...options }: Options) => {
        const [{ loadYaml }, { finetuneSchema }] = await Promise.all([
          import('../../config/load.ts'),
          import('../../finetune/recipe.ts'),
        ]);
        const { config: recipe } = await loadYaml(path, finetuneSchema, { overrides: set });
        if (dryRun) return { data: recipe, text: JSON.stringify(recipe, null, 2) };
        const { finetune } = await import('../../finetune/finetune.ts');
        const onEvent = (event: { type: string }) => {
          if (call.output.json) call.output.event({ ...event });
          else if (event.type === 'validation') {
            const { step, loss } = event as unknown as { step: number; loss: number };
            call.output.note(`step ${step}: validation loss ${loss.toFixed(4)}`);
          }
        };
        const result = await finetune({ recipe, ...options, ...call.watch, onEvent });
        const lines = [
          `${count(result.trained)} of ${count(result.parameters)} parameters learnt in ${result.step} steps`,
          ...(result.scores ? [describe(result.scores)] : []),
          `wrote ${recipe.out}`,
        ];
        return { data: result, text: lines.join('\n') };
      }),
    );
};
export default define;

/** Scores for people: the confusion matrix as a table, numbers as they are. */
function describe(scores: Record<string, unknown>): string {
  const { confusion, classes, ...numbers } = scores as {
    confusion?: number[][];
    classes?: { label: string; precision: number; recall: number; f1: number; support: number }[];
  };
  const plain = Object.entries(numbers).map(([key, value]) => `${key} ${format(value)}`);
  if (!confusion || !classes) return plain.join(', ');
  const each = classes.map(({ label, precision, recall, f1, support }) => [
    label,
    format(precision),
    format(recall),
    format(f1),
    support,
  ]);
  const names = classes.map(({ label }) => label);
  return [
    plain.join(', '),
    table([['class', 'precision', 'recall', 'F1', 'examples'], ...each]),
    table([['right \\ given', ...names], ...confusion.map((row, i) => [names[i]!, ...row])]),
  ].join('\n\n');
}

const format = (value: unknown) =>
  typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(4) : String(value);
