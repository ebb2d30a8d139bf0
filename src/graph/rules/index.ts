/** The gradient rules: op name -> what flows back to each input. One file a kind of op; together the whole of autodiff. */

import { native } from '../native.ts';
import { composite } from './composite.ts';
import { elementwise } from './elementwise.ts';
import { index } from './index_ops.ts';
import { linear } from './linear.ts';
import { reduction } from './reduction.ts';
import type { Rule } from './rule.ts';
import { shaping } from './shaping.ts';

export type { Rule } from './rule.ts';

export const rules: Record<string, Rule> = {
  ...elementwise,
  ...linear,
  ...shaping,
  ...reduction,
  ...index,
  ...composite,
  ...native,
};
