/** All kinds of stage, in the order in which data flows. */
import type { Stage } from '../stage.ts';
import { corpus } from './corpus.ts';
import { dataset } from './dataset.ts';
import { report } from './report.ts';
import { vocab } from './vocab.ts';

export const stages = [corpus, vocab, dataset, report] as unknown as Stage[];
