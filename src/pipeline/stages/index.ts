/** All kinds of stage, in the order in which data flows. */
import type { Stage } from '../stage.ts';

export const stages: Stage[] = [];
