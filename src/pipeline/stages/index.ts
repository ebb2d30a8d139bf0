/** All kinds of stage, in the order in which data flows. */
import type { Stage } from '../stage.ts';
import { corpus } from './corpus.ts';
import { dataset } from './dataset.ts';
import { evaluate } from './evaluate.ts';
import { exporting } from './export.ts';
import { report } from './report.ts';
import { sample } from './sample.ts';
import { train } from './train.ts';
import { vocab } from './vocab.ts';

export const stages = [corpus, vocab, dataset, train, evaluate, sample, exporting, report] as unknown as Stage[];
