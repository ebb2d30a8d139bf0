/** All kinds of stage, in the order in which data flows. */
import type { Stage } from '../stage.ts';
import { attention } from './attention.ts';
import { clean } from './clean.ts';
import { corpus } from './corpus.ts';
import { dataset } from './dataset.ts';
import { evaluate } from './evaluate.ts';
import { exporting } from './export.ts';
import { finetuning } from './finetune.ts';
import { kernel } from './kernel.ts';
import { pairs } from './pairs.ts';
import { report } from './report.ts';
import { rotary } from './rotary.ts';
import { sample } from './sample.ts';
import { train } from './train.ts';
import { vocab } from './vocab.ts';

export const stages = [
  corpus,
  clean,
  pairs,
  vocab,
  dataset,
  train,
  finetuning,
  evaluate,
  sample,
  attention,
  exporting,
  kernel,
  rotary,
  report,
] as unknown as Stage[];
